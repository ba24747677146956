// Package manifest reads connector manifests: App Connect's format, and the crmgate object in it.
//
// [Parse] reads all manifests of a connectors folder into a [Set]. A Set has one [Manifest] for each platform, and the
// documents that clients may fetch, without the crmgate object. [Schema] is the JSON Schema of the format, for editors
// and for `crmgate check`.
//
// The first mistake in a manifest is an [Error], which names the file, the member and what was expected there. The
// package reads no files and asks no CRM.
package manifest
