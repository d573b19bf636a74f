// Reads an AsyncAPI document with the official parser and prints what it finds wrong.
// Usage: node check.cjs FILE, with TIDEGATE_NODE_MODULES naming the folder of packages.
const { createRequire } = require("node:module");
const { readFileSync } = require("node:fs");
const path = require("node:path");

const packages = process.env.TIDEGATE_NODE_MODULES;
const load = packages ? createRequire(path.join(packages, "here.js")) : require;
const { Parser } = load("@asyncapi/parser");

(async () => {
  const text = readFileSync(process.argv[2], "utf8");
  const { document, diagnostics } = await new Parser().parse(text);
  const errors = diagnostics.filter((finding) => finding.severity === 0);
  for (const finding of errors) {
    console.log(`${finding.path.join(".")}: ${finding.message}`);
  }
  if (!document || errors.length > 0) process.exit(1);
  console.log(`version ${document.version()}`);
  console.log(`messages ${document.allMessages().all().map((m) => m.id()).join(" ")}`);
})();
