// Validates the definitions of dashboards with Splunk's own schemas, without a page, and compares options.toml with them.
// Arguments: a JSON file {"definitions": {name: definition}, "options": {type: [names]}}. Prints one problem a line.
const { createSchemaBasedOnDicts } = require("@splunk/dashboard-definition");
const { DashboardValidator } = require("@splunk/dashboard-validation");
const schemas = require("@splunk/visualization-schemas");

const NAMES = {
  "splunk.singlevalue": "singleValue", "splunk.table": "table", "splunk.column": "column", "splunk.bar": "bar",
  "splunk.area": "area", "splunk.line": "line", "splunk.pie": "pie", "splunk.markdown": "markdown",
};
const any = { type: "object" };
const { definitions, options } = JSON.parse(require("fs").readFileSync(process.argv[2], "utf8"));
const drawn = Object.fromEntries(Object.entries(NAMES).map(([type, name]) => [type, schemas[`${name}OptionsSchema`]]));
const schema = createSchemaBasedOnDicts({ visualizationDict: drawn });
const validator = new DashboardValidator();
const broken = validator.setSchema(schema);
if (broken) console.log(`the schema: ${broken.message || broken}`);
for (const [name, definition] of Object.entries(definitions)) {
  // The schema knows layouts with tabs; ours have the form of 9.2, which later ones read as a single tab.
  const { globalInputs, ...first } = definition.layout;
  const layout = { globalInputs, tabs: { items: [{ layoutId: "first" }] }, layoutDefinitions: { first } };
  const current = { ...definition, layout };
  for (const error of validator.validate(current, []) || []) {
    console.log(`${name}${error.instancePath}: ${error.message} ${JSON.stringify(error.params || {})}`);
  }
}
for (const [type, names] of Object.entries(options)) {
  const known = Object.keys(drawn[type].properties || drawn[type]);
  for (const name of names.filter((each) => !known.includes(each))) console.log(`${type}: ${name} is in no schema`);
}
