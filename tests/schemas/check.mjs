// check: Kubernetes objects against the schemas of their APIs.
//
//     node check.mjs DIR <objects.json        DIR: where node_modules is; objects.json: a list of objects
//
// Prints a problem a line; exits 0 when there is none, 1 when there is one, 2 when an object's kind has no schema here.
// The schemas let fields pass that they do not know, as the API server does not (it warns, or refuses).  So the validators get
// the objects through a proxy that writes down what they look at: what none of them asked for is no field of the API.  But a text
// called "description" is let pass: the packages take a field of this name for a remark on the schema, and lose it.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const upper = (word) => word.charAt(0).toUpperCase() + word.slice(1);

// "apps/v1", "Deployment": where the packages keep its validator.
function places(apiVersion, kind) {
  const parts = apiVersion.split("/");
  const version = parts.pop();
  const labels = (parts[0] ?? "core").split(".");
  return [`kubernetes-models/_schemas/IoK8sApi${upper(labels[0])}${upper(version)}${kind}`,
    `@kubernetes-models/istio/_schemas/${labels.map(upper).join("")}${upper(version)}${kind}`];
}

async function validator(one, from) {
  for (const place of places(one.apiVersion ?? "", one.kind ?? "")) {
    const [, name, file] = place.match(/^((?:@[^/]+\/)?[^/]+)\/(.*)$/);
    try {
      return (await import(new URL(`node_modules/${name}/${file}.js`, from))).validate;
    } catch (e) {
      if (e.code !== "ERR_MODULE_NOT_FOUND") throw e;
    }
  }
  return null;
}

// The same value; seen gets the path of everything that is read of it.
function watched(value, path, seen) {
  if (value === null || typeof value !== "object") return value;
  const made = new Map();
  return new Proxy(value, {
    get(target, key) {
      if (typeof key !== "string" || !Object.hasOwn(target, key)) return target[key];
      const below = `${path}/${key}`;
      seen.add(below);
      if (!made.has(key)) made.set(key, watched(target[key], below, seen));
      return made.get(key);
    },
  });
}

// Paths below the value that nobody looked at; what is below one of them is not named again.
function unseen(value, path, seen) {
  if (value === null || typeof value !== "object") return [];
  return Object.keys(value).flatMap((key) => {
    const below = `${path}/${key}`;
    if (seen.has(below)) return unseen(value[key], below, seen);
    return key === "description" && typeof value[key] === "string" ? [] : [below];
  });
}

const words = (path) => path.slice(1).replaceAll("/", ".");

function complaint({ instancePath, keyword, params }) {
  if (keyword === "required") return `${words(`${instancePath}/${params.missingProperty}`)}: missing`;
  return `${words(instancePath)}: ${keyword} ${JSON.stringify(params)}`;
}

async function problems(one, from) {
  const validate = await validator(one, from);
  if (!validate) return null;
  const seen = new Set();
  const good = validate(watched(one, "", seen));
  const wrong = good ? [] : validate.errors.map(complaint);
  return wrong.concat(unseen(one, "", seen).map((path) => `${words(path)}: no such field`));
}

const from = pathToFileURL(`${process.argv[2]}/`);
let status = 0;
for (const one of JSON.parse(readFileSync(0, "utf8"))) {
  const where = `${one.kind}/${one.metadata?.name}`;
  const found = await problems(one, from);
  if (found === null) console.log(`${where}: no schema for ${one.apiVersion}`);
  else found.forEach((line) => console.log(`${where}: ${line}`));
  status = found === null ? 2 : Math.max(status, found.length ? 1 : 0);
}
process.exitCode = status;
