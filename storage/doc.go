// Package storage keeps people, their grants and their sessions. It stores typed, sealed records in an [Engine], which
// knows only bytes under ordered keys. It refuses to open a store with the wrong key ring.
//
//	DB       people, sessions, applications, queues      what a record means, when it expires
//	audit    the audit log                               storage/audit
//	sealed   envelope encryption, the layout of records  storage/sealed
//	Engine   ordered bytes, serializable updates         storage/badger
//
// A write, such as [DB.SignIn], goes this way:
//
//  1. Engine.Update begins a transaction
//  2. what must be true is checked: With
//  3. the change reads and writes records; each is sealed, bound to its key, type and version
//  4. what comes along is written: With
//  5. audit.Log.Update gives each event a number in this process's chain, and writes it
//  6. the engine commits all of it durably, or nothing
//
// Keys do not show who a record belongs to: ids of people, accounts and states are hashed under a key of the store. A
// platform's name is in clear. A person has two records. A session check opens only the session record, which is small and
// binary. The person record has the rest, the grant included.
//
//	p/clio/HASH.HASH    person: user and grant; the hashes of the id, and of the id and the host
//	s/clio/HASH.HASH    session: id, flags, hostname, the owner and generation of the application; the second hash is the id's
//	e/clio/HASH.HASH    lease of a refresh
//	j/clio/HASH.HASH/ID an answer of a token endpoint that is not stored yet
//	g/clio/HASH         generation of an account's application
//	m/ d/ clio/HASH     an organisation's application: confirmed, pending
//	h/clio/HASH         one that is retired
//	u/clio/HASH         an application that the CRM rejects
//	r/clio/DUE ID       a grant to revoke; q/clio notes that the platform has some
//	t/HASH, n/, i/SLOT  short states, their cursor and slots; x/HASH is a spent state
//	S/HASH, N/, I/SLOT  sign-ins that a client waits for, their cursor and slots
//	C/HASH              the answer to a callback that succeeded
//	y/HASH              an organisation's settings; z/clio/HASH.HASH are a person's
//	f/clio/HASH         an organisation's values of managed fields; w/clio/HASH HASH are an extension's
//	v/clio/HASH         notes that a sign-in with managed fields failed
//	k/NAME              a server key; c/ is the check value, l/ the key that hashes ids
//	a/ b/ o/            the audit log
//
// A person is a platform, a host and an id: two hosts of a CRM may give the same id to two people. Version 1 of these records
// had only the platform and the id in their keys; adopt moves them. A session token does not name the host, so a session is
// found by its own id. It has the host.
//
// Raising the generation of an application ends every session that came from it, by one write. A session that has ended
// never becomes valid again: signing in makes a new session id, which older tokens do not carry.
//
// A grant that is forgotten is queued for revocation in the same transaction. A platform's queue is ordered by the time at
// which a revocation is due. Claiming a revocation moves it to a later time, so one claim succeeds. If the claimer dies,
// the revocation is due again.
//
// The store does not notice if a person who can write to it puts back an older sealed value of the same record: nothing
// outside the store knows which value is the latest.
package storage
