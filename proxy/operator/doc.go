// Package operator reads the store for the operator: the people who have signed in, the token answers in the journal, and
// the audit log.
//
// [Directory] needs only the store, so it also works while no server runs. The metrics count people with it, and
// `crmgate users`, `journal` and `audit` print what it returns.
//
// The package never returns a credential: an [Entry] only shows that one exists. Its one write drops a token answer.
// Removing a person and replaying an answer need connectors and belong to proxy/session and proxy/authflow.
package operator
