/*
Package e2e has the tests of the whole program, by subject: a node, a practice CRM, real connectors and real HTTP.

	wire_…       a test for each sentence of docs/wire.md
	answers_…    the answers of all routes to a fixed script of requests
	store_…      a store that an earlier version wrote
	signin_…     OAuth, API keys, clients that wait for a sign-in
	session_…    session tokens, also forged ones
	pages_…      the pages, in a browser if there is one
	reload_…     connectors that change while the program runs
	connector_…  the connectors of Clio and Insightly, against stand-ins for the CRM
	crash_…      the program as a process that is killed
	attack_…     hostile connectors and hostile clients, on the program as a process

Most tests start a node in process, by package edgetest. CRMGATE_SOAK=1 runs the long forms: more kills, more sockets,
attacks one after the other, and limits on time and memory.
*/
package e2e
