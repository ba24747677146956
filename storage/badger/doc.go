// Package badger is the storage engine of a single node: Badger, in a directory or in memory.
//
// Badger with synchronous writes has no group commit: 64 writers wait for 64 fsyncs. So one goroutine commits for
// everybody. While it waits for the disk, callers queue; then it lets each of them in turn run its function, in the
// caller's own goroutine, over everything that those before it wrote, and commits all of it as one Badger
// transaction.
//
//	Update ──┐                 turn      ┌─ fn of caller 1 ─┐
//	Update ──┼─ queue ── committer ──────┼─ fn of caller 2 ─┼── one transaction, one fsync ── all return
//	Update ──┘                           └─ fn of caller 3 ─┘
//
// Functions that run one after another are serializable by construction, and none is ever run again for a conflict.
// What a function wrote is kept aside until it returns, so that one that fails leaves nothing to the next. A
// function runs again only if what it wrote does not fit into a batch that others have filled.
//
// It refuses to write when the disk is almost full, because Badger writes to mapped files: on a full disk that is no
// error but a SIGBUS, which ends the process.
package badger
