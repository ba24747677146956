package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/storage"
)

// renewed gets new tokens, from the connector if it has its own way, else by the standard refresh.
func (e *Engine) renewed(ctx context.Context, conn connector.Connector, c Client, p crmgate.Person) (Tokens, error) {
	if !conn.Implements("checkAndRefreshAccessToken") {
		return e.refresh(ctx, c, p)
	}
	user, err := UserRequest(ctx, conn, p)
	if err != nil {
		return Tokens{}, err
	}
	entry := storage.JournalEntry{
		User: p.User.Key, From: p.Grant.RefreshToken, App: c.App, Account: p.User.Account, Hostname: p.User.Hostname, Status: 200, Own: true,
	}
	a, err := conn.RefreshAccessToken(ctx, connector.RefreshRequest{
		UserRequest: user, OAuth: c.Info, RefreshToken: p.Grant.RefreshToken,
		Answered: func(document crmgate.Secret) {
			entry.At, entry.Body = e.Now(), document
			entry.ID = e.journal(ctx, entry)
		},
	})
	if err != nil {
		return Tokens{}, e.unusable(ctx, entry, refused(err))
	}
	t := Tokens{Access: a.AccessToken, Refresh: a.RefreshToken, Issued: e.Now(), Journal: entry, info: a.AdditionalInfo}
	life := time.Duration(min(a.ExpiresIn, longestLife)) * time.Second
	if life <= 0 {
		life = time.Duration(c.manifest.Refresh.Lifetime) * time.Second
	}
	if life > 0 {
		t.Expiry = t.Issued.Add(life)
	}
	return t, nil
}

// unusable is the error of a connector whose answer, if it gave one, is against the ABI. There may be tokens in it all the same.
func (e *Engine) unusable(ctx context.Context, entry storage.JournalEntry, err error) error {
	switch {
	case entry.ID == "":
		return err
	case !mayHoldTokens([]byte(entry.Body.Reveal())):
		e.drop(ctx, entry)
		return err
	}
	return &Error{
		Kind: crmgate.ErrTransient, Unread: entry.ID, Message: "The connector's answer could not be read. Please try again.",
		Err: fmt.Errorf("%w; it is kept as journal entry %s", err, entry.ID),
	}
}

// changeIn is what a connector's answer changes about the person.
func changeIn(answer json.RawMessage) json.RawMessage {
	var d struct {
		User struct {
			AdditionalInfo json.RawMessage `json:"platformAdditionalInfo"`
		} `json:"user"`
	}
	_ = json.Unmarshal(answer, &d) // else it changes nothing
	return d.User.AdditionalInfo
}

// refused is a connector's error as one of the CRM's, if it says that the CRM has refused the grant or the application. A CRM
// in trouble says that of nobody.
func refused(err error) error {
	var ce *crmgate.ConnectorError
	if !errors.As(err, &ce) || ce.Status == 429 || ce.Status >= 500 {
		return err
	}
	kind := kindOf(ce.Code)
	if errors.Is(kind, crmgate.ErrTransient) {
		return err
	}
	return &Error{Kind: kind, Code: ce.Code, Status: ce.Status, Message: StandardText(ce.Code, ce.Message), Err: err}
}
