package manifest

import _ "embed" // the directive below

// Schema is the JSON Schema (2020-12) of manifests, for editors and `crmgate check`. Do not modify it.
//
// It agrees with [Parse], except about unknown members of the crmgate object. Parse ignores them, so that a manifest for a
// later version can be used. The schema refuses them, because they are usually typing errors.
//
//go:embed manifest.schema.json
var Schema []byte
