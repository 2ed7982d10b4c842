"""quantity: amounts of memory as manifests write them."""
import re

_UNITS = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}


def bytes_of(text):
    """256Mi -> 268435456."""
    number, unit = re.fullmatch(r"(\d+)(Ki|Mi|Gi|)", text).groups()
    return int(number) * _UNITS[unit]
