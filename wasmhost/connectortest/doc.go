// Package connectortest checks a connector, in whatever language it is written. `crmgate check` runs it.
//
// [Check] loads the module as the server does, through package wasmhost, and answers its fetches with a fake CRM. It reports
// each case as a [Result]: one line in the terms of connectors-wasm/ABI.md, and advice.
//
//	module, exports, imports, start      the checks of the server at load
//	manifest                             the schema, then the server's own parser
//	recorded: …                          each case of NAME.vectors.json, request by request
//	OPERATION: …                         a sign-in; the answers 401, 403, 429, 500, an HTML page, an empty one, a truncated
//	                                     one, and none; a hundred calls
//	hosts, configuration, secrets        what the connector requested in all of these calls, and whether it leaked secrets
//
// A mistake is reported once, before what follows from it, and the other cases that fail for it are counted: a request that the
// server refuses, a misspelt member of an answer, a call that fails while the CRM is well.
//
// The fake CRM answers as the connector's vectors recorded. For a connector that may reach 127.0.0.1:8081, it is the practice
// CRM. Without both, cases that need a successful call are skipped, and the result says so. An invented answer then
// shows misspelt members of many connectors.
//
// The package does not call a real CRM, and does not test an operation for which it has no answers of the CRM.
package connectortest
