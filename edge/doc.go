/*
Package edge assembles a node of crmgate: store, connectors, flows and listeners.

	Start ── Listen ───────── proxy.Server ── authflow.Flows ─┬─ token.Engine ─┬─ storage.DB ── badger
	      ├─ AdminListen ──── metrics, health                 └─ wasmhost.Folder ── egress.Client
	      └─ control socket ─ proxy.Control

Start opens everything and answers requests; Node.Close ends the listeners, lets requests finish, and closes the rest in the
reverse order of opening. One data folder belongs to one node at a time, because Badger locks it.

Client asks a running node over its control socket, or opens the store itself if no node runs. Examine tries the
OAuth endpoints of one platform, and needs no store.

The package reads no flags and no environment, prints nothing, and never ends the process.
*/
package edge
