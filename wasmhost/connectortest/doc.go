// Package connectortest is what every connector must pass, in whatever language it is written: `crmgate check` runs it.
// It takes the module as the server does, through the same host, and plays the CRM.
//
//	module, exports, imports, start      what the server would refuse at load
//	manifest                             the schema, then the server's own reading
//	recorded: …                          each case of NAME.vectors.json, request for request
//	OPERATION: …                         a person signs in; 401, 429, 500, a page, nothing, half an answer, none; a
//	                                     thousand calls
//	hosts, configuration, secrets        what all of these calls asked for, and what came out of them
//
// The CRM is played from what the connector's vectors recorded of it. For a connector that reaches for the practice CRM
// (127.0.0.1:8081), it is the practice CRM. With neither, what takes a happy CRM is skipped, and says so.
//
// Every case ends in a [Result]: one line in the words of connectors-wasm/ABI.md, with what to do about it.
package connectortest
