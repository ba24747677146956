// Package sealed does the envelope encryption of a store. It seals records so that a value opens only under the key it was
// stored under, and makes keys that do not show the ids in them.
//
//	KeyRing  XAES-256-GCM keys, kept in a file outside the store
//	Records  a transaction that seals what it writes and opens what it reads
//	Keys     HMACs of ids, under a key of the store
//
// A stored record is
//
//	kind (1) | version (1) | sealed: oldest (1, since version 2) | expiry (8, Unix milliseconds, 0 for never) | payload
//
// oldest is the oldest version that may read the record. So a release refuses a record that it would misread, and reads one
// that a newer release has only added to.
//
// Its associated data is the kind, the version and the key that it is stored under. So a record that was changed, or moved
// to another key, does not open. The expiry is inside the sealed part; an engine's own expiry only saves space.
package sealed
