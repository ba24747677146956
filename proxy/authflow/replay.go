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

// Replayed is the result of replaying a token answer from the journal.
type Replayed struct {
	operator.Answer
	// Stored says that the grant is stored. A replayed sign-in issues no session token: the person signs in once more. A dry
	// run stores nothing.
	Stored bool      `json:"stored"`
	Name   string    `json:"name,omitempty"`
	Expiry time.Time `json:"tokenExpiry,omitzero"`
}

// Replay reads a token answer from the journal with the current manifest and stores the grant. A dry run only reads it. A
// *crmgate.Refusal says why that is impossible.
func (f *Flows) Replay(ctx context.Context, id string, dry bool) (Replayed, error) {
	e, err := operator.Directory{DB: f.DB}.Answer(ctx, id)
	if err != nil {
		return Replayed{}, err
	}
	out := Replayed{Answer: operator.AnswerOf(e)}
	if e.Damaged {
		return out, crmgate.Refuse("The record of this answer is damaged and cannot be read. Drop it.")
	}
	conn, err := f.Connectors.Find(ctx, e.User.Platform)
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

// replaySignIn completes a sign-in that was interrupted after the token answer. It issues no session token to anyone.
func (f *Flows) replaySignIn(ctx context.Context, conn connector.Connector, tokens token.Tokens) (crmgate.UserID, string, error) {
	var c callbackContext
	if s := tokens.Journal.Callback.Reveal(); s != "" {
		if err := json.Unmarshal([]byte(s), &c); err != nil {
			return "", "", err
		}
	}
	c.replay = true
	client := token.Issuer(tokens.Journal)
	if c.Pending {
		client.App.Entry = c.Entry // journals of earlier versions have it only here
	}
	signedIn, err := f.completeOAuth(ctx, conn, client, tokens, c)
	if err != nil {
		return "", "", err
	}
	if signedIn.Token.IsZero() {
		return "", "", crmgate.Refuse("The CRM no longer accepts the person: %s", signedIn.Message.Message)
	}
	return signedIn.ID, signedIn.Name, nil
}

// errLoggedOut means that the person has logged out since the CRM sent the token answer.
var errLoggedOut = errors.New("logged out since")

// outdated refuses a replay for a person who has signed in or out since.
func (c completion) outdated(p crmgate.Person) error {
	at := c.journal.At
	switch {
	case !c.replay:
	case p.User.LoggedOut.After(at):
		return &crmgate.Refusal{Message: "The person has logged out since then. The grant is not stored and will be revoked.", Err: errLoggedOut}
	case p.User.SignedIn.After(at), p.Grant.Issued.After(at):
		return crmgate.Refuse("The person has signed in again since then, so this answer is no longer needed. Drop it.")
	}
	return nil
}
