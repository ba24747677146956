// Package audit keeps the audit log of a store: who signed in, logged out, was deleted or changed settings.
//
//	Log     writes and reads events
//	Keeper  seals entries into batches, in the background
//	Event   what happened, in fixed words; no text of a CRM, connector or client gets into the log
//
// An event is written in the transaction that makes it happen, so there is neither a change without its entry nor an entry
// without its change. Repeats are the exception: one client can sign in thousands of times a minute. The first sign-in or
// logout of a person is written. Those that are the same in all but their time are counted in memory for an hour, and the
// Keeper then writes one entry with their number. A process that is killed loses that number. Without a Keeper every event
// is written.
//
// Each process is a node with a chain of its own, so no two processes write to one key. A node numbers
// its entries from memory; numbers of failed transactions stay unused.
//
//	a/NODE/N  an entry
//	b/NODE/N  a batch: the hash of up to 256 entries and of the batch before
//	o/NODE    the node: how far its chain goes, and until when it is alive
//
// A batch hashes entries as the process wrote them, not as they are in the store by then. The Keeper makes the batches of
// its process, closes the chains of processes that are gone, and drops old batches with their entries. [Log.Verify]
// recomputes all chains.
//
// Entries name a user by the hash in the key of their person record. The log can show the user while that record exists,
// and no longer once the user is deleted.
package audit
