package manifest

import _ "embed" // the directive below

// Schema is the JSON Schema (2020-12) of manifests, manifest.schema.json. Editors and `crmgate check` use it, and the
// server uses [Parse]. Both agree, except about unknown members: the schema refuses those inside the crmgate object,
// where they can only be mistakes. Do not modify it.
//
//go:embed manifest.schema.json
var Schema []byte
