package storage

import (
	"github.com/crmgate/crmgate/storage/sealed"
)

// The kinds of records. Those of the audit log are in the package audit: 'a', 'b' and 'o'.
const (
	checkValue  sealed.Kind = 'c'
	lookupKey   sealed.Kind = 'l'
	serverKey   sealed.Kind = 'k'
	session     sealed.Kind = 's'
	person      sealed.Kind = 'p'
	generation  sealed.Kind = 'g'
	spentState  sealed.Kind = 'x'
	shortState  sealed.Kind = 't'
	stateCursor sealed.Kind = 'n'
	stateSlot   sealed.Kind = 'i'
	journal     sealed.Kind = 'j'
	lease       sealed.Kind = 'e'
	pause       sealed.Kind = 'u'
	revocation  sealed.Kind = 'r'
	backlog     sealed.Kind = 'q'
	managedApp  sealed.Kind = 'm'
	pendingApp  sealed.Kind = 'd'
	retiredApp  sealed.Kind = 'h'

	orgSettings  sealed.Kind = 'y'
	userSettings sealed.Kind = 'z'

	accountFields   sealed.Kind = 'f'
	extensionFields sealed.Kind = 'w'
	failedFields    sealed.Kind = 'v'

	authSession       sealed.Kind = 'S'
	authSessionCursor sealed.Kind = 'N'
	authSessionSlot   sealed.Kind = 'I'
)

// records is a transaction that reads and writes records.
type records struct {
	sealed.Records
	db *DB
}
