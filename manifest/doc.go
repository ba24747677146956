// Package manifest reads the manifests of connectors: App Connect's format, and this server's crmgate object in it.
//
// [Parse] reads the manifests of a folder into a [Set]. A Set contains one [Manifest] for each platform, and the documents
// that clients may fetch, without the crmgate object. A Manifest says how people sign in ([OAuthSection], [FormField],
// [Page]), what the connector may reach and read, and what its token endpoint expects ([TokenRules]). [Schema] is the
// JSON Schema of the format, for editors and for `crmgate check`.
//
// Parse leaves out a platform whose manifest has a mistake: the [Error] names the file, the member, and what was expected
// there. Unknown members are kept. The package reads no files and sends no requests.
package manifest
