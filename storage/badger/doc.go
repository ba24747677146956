// Package badger is the storage engine of a single node: Badger, in a directory or in memory.
//
// Badger with synchronous writes has no group commit: 64 writers wait for 64 fsyncs. So one goroutine, the committer,
// commits for all of them. While it waits for the disk, callers queue. Then it lets each of them run its function in turn,
// in the caller's goroutine. A function sees what the functions before it wrote. The committer commits all of it as one
// Badger transaction.
//
//	Update ──┐                 turn      ┌─ fn of caller 1 ─┐
//	Update ──┼─ queue ── committer ──────┼─ fn of caller 2 ─┼── one transaction, one fsync ── all return
//	Update ──┘                           └─ fn of caller 3 ─┘
//
// Functions that run one after another are serializable, and none runs again because of a conflict. What a function wrote
// is kept apart until it returns, so a function that fails leaves nothing behind. A function runs again only if its writes
// do not fit into a batch that others have filled.
//
// The engine refuses to write when the disk is almost full. Badger writes to mapped files, and on a full disk such a write
// ends the process by SIGBUS. Opening and closing Badger write too. The file "reserve" takes up space that the engine gives
// back for that. A store that is opened on a full disk does not compact; it is opened again when there is space. Badger's own
// read-only mode would not do, because it refuses a store that was not closed.
package badger
