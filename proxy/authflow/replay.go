package authflow

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/token"
)

// Replayed is what became of a kept answer.
type Replayed struct {
	operator.Answer
	// Stored says that what it granted is stored: the person is repaired, or, of a sign-in, known: their next sign-in
	// gets the session. It is false of a dry run.
	Stored bool      `json:"stored"`
	Name   string    `json:"name,omitempty"`
	Expiry time.Time `json:"tokenExpiry,omitzero"`
}

// Replay reads a kept answer as the manifest says now, and stores what it granted; a dry run only looks whether that can be done. A
// *crmgate.Refusal says why that cannot be done.
func (f *Flows) Replay(ctx context.Context, id string, dry bool) (Replayed, error) {
	e, err := operator.Directory{DB: f.DB}.Answer(ctx, id)
	if err != nil {
		return Replayed{}, err
	}
	out := Replayed{Answer: operator.AnswerOf(e)}
	if e.Damaged {
		return out, crmgate.Refuse("The record of this answer is damaged: nothing can be read out of it. Drop it.")
	}
	conn, err := f.Connectors.Find(e.User.Platform)
	if err != nil {
		return out, err
	}
	tokens, err := f.Tokens.Replayable(ctx, conn, e)
	if out.Expiry = tokens.Expiry; err != nil || dry {
		return out, err
	}
	if e.User.ID == "" {
		out.User, out.Name, err = f.replaySignIn(ctx, conn, tokens)
	} else {
		var p crmgate.Person
		p, err = f.Tokens.Replay(ctx, conn, e)
		out.Name = p.User.Name
	}
	out.Stored = err == nil
	return out, err
}

// replaySignIn finishes a sign-in that was cut off after the CRM's answer. Nobody gets its session token.
func (f *Flows) replaySignIn(ctx context.Context, conn connector.Connector, tokens token.Tokens) (crmgate.UserID, string, error) {
	var rest identification
	if s := tokens.Journal.Callback.Reveal(); s != "" {
		if err := json.Unmarshal([]byte(s), &rest); err != nil {
			return "", "", err
		}
	}
	rest.replay = true
	in, err := f.identify(ctx, conn, token.Issuer(tokens.Journal), tokens, rest)
	if err != nil {
		return "", "", err
	}
	if in.Token.IsZero() {
		return "", "", crmgate.Refuse("The CRM does not let the person in any more: %s", in.Message.Message)
	}
	return in.ID, in.Name, nil
}

// errLeft says that the person has logged out since the CRM answered.
var errLeft = errors.New("logged out since")

// outdated refuses a replay for a person who has signed in or out since.
func (in signIn) outdated(p crmgate.Person) error {
	at := in.journal.At
	switch {
	case !in.replay:
	case p.User.LoggedOut.After(at):
		return &crmgate.Refusal{Message: "The person has logged out since: what the answer granted is not stored, and will be revoked.", Err: errLeft}
	case p.User.SignedIn.After(at), p.Grant.Issued.After(at):
		return crmgate.Refuse("The person has signed in again since: the answer is of no use any more. Drop it.")
	}
	return nil
}
