package crmgate

import _ "embed" // the directive below

// ManifestSchema is the JSON Schema (2020-12) of manifests, docs/manifest.schema.json. Editors check against it, and so
// does `crmgate check`; the server reads manifests by ParseManifests, which says the same of them but for members that it
// does not know: the schema refuses those inside the crmgate object, where they can only be mistakes. Not to be modified.
//
//go:embed docs/manifest.schema.json
var ManifestSchema []byte
