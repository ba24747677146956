package storage

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// The kinds of records. The audit log has three more: a, b and o.
const (
	checkValue sealed.Kind = 'c' // proves that the key ring is the store's
	lookupKey  sealed.Kind = 'l' // the key that hashes ids
	serverKey  sealed.Kind = 'k'

	session sealed.Kind = 's'
	person  sealed.Kind = 'p'
	lease   sealed.Kind = 'e'
	journal sealed.Kind = 'j'

	generation sealed.Kind = 'g'
	managedApp sealed.Kind = 'm'
	pendingApp sealed.Kind = 'd'
	retiredApp sealed.Kind = 'h'
	namedApp   sealed.Kind = 'P' // the platform whose application an admin has looked at
	pause      sealed.Kind = 'u'

	revocation sealed.Kind = 'r'
	backlog    sealed.Kind = 'q' // notes that a platform has revocations

	spentState  sealed.Kind = 'x'
	shortState  sealed.Kind = 't'
	stateCursor sealed.Kind = 'n'
	stateSlot   sealed.Kind = 'i'

	redemption sealed.Kind = 'C' // the answer to a callback
	fetched    sealed.Kind = 'F' // what a connector fetched for a refresh

	authSession sealed.Kind = 'S' // earlier versions counted them with N and I

	orgSettings  sealed.Kind = 'y'
	userSettings sealed.Kind = 'z'

	accountFields   sealed.Kind = 'f'
	extensionFields sealed.Kind = 'w'
	failedFields    sealed.Kind = 'v'

	accepted sealed.Kind = 'K' // what a platform's connector may do
)

// formats are the formats of the kinds that have had more than one.
//
// The check value's version is that of the store: an earlier crmgate refuses the store when it opens it. Since version 2,
// people are kept by their host too. Since version 3, a person's account may be unproven.
var formats = sealed.Formats{
	checkValue: {Version: 3, Oldest: 3},
	person:     {Version: 2, Oldest: 2},
	session:    {Version: 2, Oldest: 2},
}

// keys makes the keys of records.
type keys struct{ *sealed.Keys }

func (k keys) person(u crmgate.UserKey) []byte       { return k.of(person, u) }
func (k keys) lease(u crmgate.UserKey) []byte        { return k.of(lease, u) }
func (k keys) userSettings(u crmgate.UserKey) []byte { return k.of(userSettings, u) }
func (k keys) orgSettings(hash string) []byte        { return k.Of(orgSettings, hash) }

// journal is the prefix of the entries of a user, or of a platform's exchanges if the user has no ID.
func (k keys) journal(u crmgate.UserKey) []byte {
	if u.ID == "" {
		return append(k.version1(journal, u), '/')
	}
	return append(k.of(journal, u), '/')
}

// of is the key of a record of a user. It begins with the key that the record had in version 1, which all users with the ID
// shared.
func (k keys) of(kind sealed.Kind, u crmgate.UserKey) []byte {
	return k.Append(append(k.version1(kind, u), '.'), kind, u.Platform, string(u.ID)+"\x00"+u.Hostname)
}

// version1 is the key of a user's record in version 1, whatever their host.
func (k keys) version1(kind sealed.Kind, u crmgate.UserKey) []byte {
	return k.On(kind, u.Platform, string(u.ID))
}

// session is the key of the session with an id, of a user whose host need not be known.
func (k keys) session(p crmgate.Platform, user crmgate.UserID, id string) []byte {
	return k.Append(append(k.On(session, p, string(user)), '.'), session, p, string(user)+"\x00"+id)
}

func (k keys) generation(a crmgate.AccountID, p crmgate.Platform) []byte {
	return k.On(generation, p, string(a))
}

func (k keys) managedApp(a crmgate.AccountID, p crmgate.Platform) []byte {
	return k.On(managedApp, p, string(a))
}

func (k keys) pendingApp(a crmgate.AccountID, p crmgate.Platform) []byte {
	return k.On(pendingApp, p, string(a))
}

func (k keys) retiredApp(a crmgate.AccountID, p crmgate.Platform, generation uint64) []byte {
	return k.On(retiredApp, p, strconv.FormatUint(generation, 10)+"/"+string(a))
}

// droppedApp is the key of an application that was dropped while it was pending, and that no sign-in had used.
func (k keys) droppedApp(a crmgate.AccountID, p crmgate.Platform, entry string) []byte {
	return k.On(retiredApp, p, entry+"\x00"+string(a))
}

func (k keys) namedApp(a crmgate.AccountID, x crmgate.ExtensionID) []byte {
	return k.Of(namedApp, string(a)+"\x00"+string(x))
}

func (k keys) pause(u Usage) []byte {
	id := string(u.App.Account) + "\x00" + u.App.ClientID + "\x00" + u.App.TokenURL
	if u.Use != Refresh {
		id += "\x00" + string(u.Use)
	}
	return k.On(pause, u.Platform, id)
}

// accountFields is the key of an organisation's values at a host. Without a host it is the key of version 1, and the prefix
// of those at all hosts.
func (k keys) accountFields(f FieldsKey) []byte {
	f.Extension = ""
	return k.atHost(accountFields, k.On(accountFields, f.Platform, string(f.Account)), f)
}

// extensionFields is the key of an extension's values at a host. Without a host it is the key of version 1, and the prefix of
// those at all hosts. Without an extension too, it is the prefix of all of the organisation's extensions.
func (k keys) extensionFields(f FieldsKey) []byte {
	prefix := k.On(extensionFields, f.Platform, string(f.Account))
	if f.Extension == "" {
		return prefix
	}
	return k.atHost(extensionFields, k.Append(prefix, extensionFields, f.Platform, string(f.Account)+"\x00"+string(f.Extension)), f)
}

func (k keys) failedFields(f FieldsKey) []byte {
	return k.atHost(failedFields, k.On(failedFields, f.Platform, string(f.Account)+"\x00"+string(f.Extension)), f)
}

// atHost appends the host of managed values to the key that they have without one.
func (k keys) atHost(kind sealed.Kind, key []byte, f FieldsKey) []byte {
	if f.Hostname == "" {
		return key
	}
	return k.Append(key, kind, f.Platform, string(f.Account)+"\x00"+string(f.Extension)+"\x00"+f.Hostname)
}

// accepted is one key for all spellings of a platform: see AcceptConnector.
func (k keys) accepted(p crmgate.Platform) []byte {
	return k.On(accepted, crmgate.Platform(strings.ToLower(string(p))), "")
}

// platformOf is the platform in the key of a kind's record.
func platformOf(k sealed.Kind, key []byte) crmgate.Platform {
	p, _, _ := bytes.Cut(bytes.TrimPrefix(key, sealed.Prefix(k)), []byte("/"))
	return crmgate.Platform(p)
}

// onPlatform is the prefix of a kind's records of a platform.
func onPlatform(k sealed.Kind, p crmgate.Platform) []byte {
	return append(append(sealed.Prefix(k), p...), '/')
}
