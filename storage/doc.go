// Package storage keeps people, what was granted to them, and their sessions: typed and sealed, over an [Engine] that
// knows only bytes.
//
//	DB       people, sessions, generations, states, server keys     what a record means, when it expires
//	records  sealed, bound to their key, type and version           written once, for every engine
//	Engine   ordered bytes, serializable updates                    storage/badger
//
// Every value is sealed with a [KeyRing] that lies outside the store, and its associated data is the key it is stored
// under with its type and version, so that a record that was changed, or moved to another place, does not open. Keys
// name nobody: ids of people, accounts and states are hashed under a key of the store. A platform's name is in clear.
//
// A person has two records. The session record is small and binary; it is all that a session check opens. The person
// record has the rest, the grant included.
//
//	s/clio/HASH   session: id, flags, hostname, the owner and generation of the app
//	p/clio/HASH   person: user and grant
//	g/clio/HASH   generation of an account's app
//	x/HASH        a spent state          t/HASH, n/, i/SLOT   short states, their cursor and slots
//	S/HASH, N/, I/SLOT                   sign-ins that a client waits for, their cursor and slots
//	r/clio/DUE ID a grant to revoke      q/clio   notes that there are some
//	k/NAME        a server key           c/, l/               check value; the key that hashes ids
//	j/clio/HASH/ID an answer of a token endpoint that is not stored yet
//	e/clio/HASH   lease of a refresh       u/clio/HASH   an application that the CRM rejects
//	y/HASH        an organisation's settings                     z/clio/HASH   a person's
//	f/clio/HASH   an organisation's values of managed fields
//	w/clio/HASH HASH an extension's      v/clio/HASH   a note that a sign-in with them failed
//	a/NODE/N      an entry of the audit log, of the process that wrote it
//	b/NODE/N      a batch of them        o/NODE               the process
//
// Raising the generation of an account's app ends every session that came from it, by one write. A session that has
// ended never lives again: signing in makes a new id, which tokens of the old one do not have.
//
// A grant that is forgotten is queued to be revoked in the same transaction. The queue of a platform is in the order in
// which its revocations are due, so that whoever works it off reads its beginning. Claiming one moves it to a later time:
// of all that found it one succeeds, and if that one dies, it is due again.
//
// The audit log is written in the transaction of what it records. Each process has a chain of its own, so that no two
// write to one key: its id and a number make an entry's key. Batches hash entries together with the batch before, from
// what was written and not from what is stored by then. An [AuditKeeper] makes them, closes the chains of processes that
// are gone, and drops the oldest; [DB.VerifyAudit] recomputes them. Entries name people by the hash that is the key of
// their record, so that they can be told while they are there, and not when they are gone.
//
// A sealed value that is replaced by an older one of the same record, by somebody who can write to the store, opens:
// nothing outside the store knows which is the latest.
package storage
