package audit

import (
	"fmt"

	"github.com/crmgate/crmgate"
)

// Event is something that the audit log records.
type Event struct {
	Kind    Kind
	By      Actor
	Outcome Outcome
	Reason  Reason
	// Platform is empty for an event of no platform.
	Platform crmgate.Platform
	// User and Account are who the event is about. They are hashed before they are written. For an event that goes with a
	// change, the change fills in Platform, User and Account.
	User    crmgate.UserID
	Account crmgate.AccountID
	// Admin is the extension of the admin who caused the event, or the name of their admin token; empty for other actors.
	Admin crmgate.ExtensionID
	// Request is the id of the request that caused the event. The log takes it from the context.
	Request string
	// Count is the number of failures, for OutcomeLeftOut. With another outcome it is how often the event was repeated within
	// the hour after it was written. It is 0 for a single event.
	Count uint64
}

// Kind is what happened.
type Kind uint8

// The numbers are stored: new ones go to the end.
const (
	EventSignIn         Kind = iota + 1
	EventLogout              // by the person
	EventDeletion            // of everything about a person
	EventRefresh             // that failed permanently
	EventPromotion           // an organisation's app was confirmed by a sign-in
	EventManagedApp          // an organisation's app was entered, dropped or removed
	EventAdministration      // an organisation's settings or managed values were changed
	EventRevocation          // that the CRM was never told of, after a logout
	EventProof               // of the account of a session
	EventCapabilities        // a connector may do more than before
)

// Actor is who or what caused an event.
type Actor uint8

const (
	ByOAuth    Actor = iota + 1 // a sign-in by OAuth
	ByAPIKey                    // a sign-in with an API key
	ByPerson                    // the holder of the session
	ByOperator                  // crmgate users, on the server's machine
	ByServer                    // without a request
	ByAdmin                     // an organisation's admin
)

// Outcome is how an event ended.
type Outcome uint8

const (
	OutcomeOK      Outcome = iota + 1
	OutcomeRefused         // by the CRM or its connector
	OutcomeError
	OutcomeLeftOut    // failures beyond the limit, which were not written
	OutcomeUnfinished // by the person or an admin; neither the CRM nor the server failed
)

// Reason is the kind of reason for an outcome.
type Reason uint8

const (
	ReasonUnprovenAccount Reason = iota + 1 // the client named an account without proof
	ReasonNotAccepted                       // the CRM or its connector refused the person
	ReasonRequest                           // the request was wrong
	ReasonForbidden                         // the request is not allowed
	ReasonUserDead                          // the CRM has ended the person's grant
	ReasonAppDead                           // the CRM rejects the application
	ReasonNoApp                             // no application is configured
	ReasonUnavailable                       // it may work later
	ReasonConnector                         // the connector failed
	ReasonInternal                          // this server failed
	ReasonDenied                            // the person, or the CRM for them, denied access
	ReasonTooLate                           // the sign-in took too long
	ReasonUsedBefore                        // the sign-in was used before: the person went back, or sent it twice
	ReasonOtherBrowser                      // the sign-in was begun in another browser, or replaced in this one
	ReasonFieldsMissing                     // required fields of the form are empty
	ReasonAppRetired                        // the organisation's application was replaced or removed
)

// The words that are printed. A later version may have written a number that this version does not know.
var (
	kindWords    = [...]string{"", "sign-in", "logout", "deletion", "refresh", "promotion", "managed app", "administration", "revocation", "proof", "capabilities"}
	byWords      = [...]string{"", "oauth", "apiKey", "person", "operator", "server", "admin"}
	outcomeWords = [...]string{"", "ok", "refused", "error", "left out", "unfinished"}
	reasonWords  = [...]string{"", "unproven account", "not accepted", "request", "forbidden", "user dead", "app dead", "no app", "unavailable", "connector", "internal",
		"denied", "too late", "used before", "other browser", "fields missing", "app retired"}
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
