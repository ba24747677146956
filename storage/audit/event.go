package audit

import (
	"fmt"

	"github.com/crmgate/crmgate"
)

// Event is something that the audit log records. It is made of fixed words, so that no text of a CRM, a connector or a
// client can get into the log.
//
// SignIn, EndSession, DeletePerson and UpdatePerson take the events that go with what they store, in one transaction with
// it. They fill in Platform, User and Account.
type Event struct {
	Kind    Kind
	By      Actor
	Outcome Outcome
	Reason  Reason
	// Platform is where it happened; empty if that means nothing.
	Platform crmgate.Platform
	// User and Account are who it was about. They are hashed before they are written.
	User    crmgate.UserID
	Account crmgate.AccountID
	// Count is how many failures OutcomeLeftOut stands for.
	Count uint64
}

// Kind is what happened.
type Kind uint8

// The numbers are stored: new ones go to the end.
const (
	EventSignIn         Kind = iota + 1
	EventLogout              // by the person
	EventDeletion            // of everything about a person
	EventRefresh             // that failed for good
	EventPromotion           // an organisation's app was confirmed by a sign-in
	EventManagedApp          // an organisation's app was entered, dropped or removed
	EventAdministration      // an organisation's settings or managed values were changed
	EventRevocation          // of which the CRM was never told, after a logout
)

// Actor is who or what did it.
type Actor uint8

const (
	ByOAuth    Actor = iota + 1 // a sign-in by OAuth
	ByAPIKey                    // a sign-in with an API key
	ByPerson                    // whoever holds the session
	ByOperator                  // crmgate users, on the server's machine
	ByServer                    // nobody asked
	ByAdmin                     // an organisation's admin
)

// Outcome is how it ended.
type Outcome uint8

const (
	OutcomeOK      Outcome = iota + 1
	OutcomeRefused         // by the CRM or its connector
	OutcomeError
	OutcomeLeftOut // failures that were too many to be written; Count says how many
)

// Reason is the kind of reason for an outcome.
type Reason uint8

const (
	ReasonUnprovenAccount Reason = iota + 1 // the client named an account, and nothing proved it
	ReasonNotAccepted                       // the CRM or its connector did not let the person in
	ReasonRequest                           // the request was wrong
	ReasonForbidden                         // the request is not allowed
	ReasonUserDead                          // the CRM has ended the person's grant
	ReasonAppDead                           // the CRM rejects the application
	ReasonNoApp                             // nobody has named an application
	ReasonUnavailable                       // it may work later
	ReasonConnector                         // the connector failed
	ReasonInternal                          // this server failed
)

// What is printed. A number that this version does not know is printed as one: a later version wrote it.
var (
	kindWords    = [...]string{"", "sign-in", "logout", "deletion", "refresh", "promotion", "managed app", "administration", "revocation"}
	byWords      = [...]string{"", "oauth", "apiKey", "person", "operator", "server", "admin"}
	outcomeWords = [...]string{"", "ok", "refused", "error", "left out"}
	reasonWords  = [...]string{"", "unproven account", "not accepted", "request", "forbidden", "user dead", "app dead", "no app", "unavailable", "connector", "internal"}
)

func (k Kind) String() string    { return word(kindWords[:], uint8(k)) }
func (b Actor) String() string   { return word(byWords[:], uint8(b)) }
func (o Outcome) String() string { return word(outcomeWords[:], uint8(o)) }
func (r Reason) String() string  { return word(reasonWords[:], uint8(r)) }

func word(words []string, n uint8) string {
	if int(n) < len(words) {
		return words[n]
	}
	return fmt.Sprintf("unknown %d", n)
}
