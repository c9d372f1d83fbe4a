// Whether a file keeps the JSON Schema of AsyncAPI; prints what is wrong with it.
import { readFileSync } from "node:fs";
import specs from "@asyncapi/specs";
import { Ajv } from "ajv";

const document = JSON.parse(readFileSync(process.argv[2], "utf8"));
const schema = specs.schemasWithoutId[document.asyncapi];
const keeps = new Ajv({ strict: false, allErrors: true, validateFormats: false, validateSchema: false }).compile(schema);
if (!keeps(document)) {
  for (const error of keeps.errors) console.log(`${error.instancePath} ${error.message}`);
  process.exit(1);
}
