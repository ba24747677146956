package token

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/storage"
)

// connectorRefresh has the connector refresh the grant (checkAndRefreshAccessToken).
func (a attempt) connectorRefresh(ctx context.Context) (Tokens, error) {
	user, err := UserRequest(ctx, a.conn, a.was)
	if err != nil {
		return Tokens{}, err
	}
	fetches, err := a.fetches(ctx)
	if err != nil {
		return Tokens{}, err
	}
	entry := a.entry()
	entry.Status, entry.Own = 200, true
	answer, err := a.conn.RefreshAccessToken(ctx, connector.RefreshRequest{
		UserRequest: user, OAuth: a.client.Info, Fetches: fetches,
		Answered: func(document crmgate.Secret) {
			entry.At, entry.Body = a.engine.Now(), document
			entry.ID = a.engine.journal.put(ctx, entry)
			a.engine.reach("journaled")
		},
	})
	if err != nil {
		var ce *crmgate.ConnectorError
		stopped := errors.As(err, &ce) && ce.Err != nil
		if err = a.connectorFailure(ctx, entry, err); !stopped {
			fetches.failed(ctx, errors.Is(err, crmgate.ErrUserDead) || errors.Is(err, crmgate.ErrAppDead))
		}
		return Tokens{}, err
	}
	t := Tokens{Access: answer.AccessToken, Refresh: answer.RefreshToken, Issued: fetches.issued(), Journal: entry, info: answer.AdditionalInfo}
	life := time.Duration(min(answer.ExpiresIn, longestLife)) * time.Second
	if life <= 0 {
		life = time.Duration(a.client.manifest.Refresh.Lifetime) * time.Second
	}
	if life > 0 {
		t.Expiry = t.Issued.Add(life)
	}
	return t, nil
}

// connectorFailure is the error of a connector's refresh. It is an *Error if the connector reports that the CRM refused the
// grant or the application, or if its answer violates the ABI and may hold tokens.
func (a attempt) connectorFailure(ctx context.Context, entry storage.JournalEntry, err error) error {
	var ce *crmgate.ConnectorError
	if errors.As(err, &ce) && !Overloaded(ce.Status) {
		v, _, ok := judge(true, a.client.manifest.Refresh.Errors, []string{ce.Code}, ce.Message)
		switch {
		case !ok && ce.Code != "" && ce.Status != 0:
			err = &unknownRefusal{err, ce.Code}
		case ok && v.kind != crmgate.ErrTransient:
			err = &Error{Kind: v.kind, Code: ce.Code, Status: ce.Status, Message: StandardText(ce.Code, ce.Message), Err: err}
		}
	}
	switch {
	case entry.ID == "":
		return err
	case !mayHoldTokens([]byte(entry.Body.Reveal())):
		a.engine.journal.drop(ctx, entry)
		return err
	}
	unread := &Error{Kind: crmgate.ErrTransient, Message: "The connector's answer could not be read. Please try again.", Err: err}
	keptAs(unread, entry, "")
	return unread
}

// additionalInfo is what a connector's answer changes in the person's additional info.
func additionalInfo(answer json.RawMessage) json.RawMessage {
	var d struct {
		User struct {
			AdditionalInfo json.RawMessage `json:"platformAdditionalInfo"`
		} `json:"user"`
	}
	_ = json.Unmarshal(answer, &d) // if it is invalid, it changes nothing
	return d.User.AdditionalInfo
}
