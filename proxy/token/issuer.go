package token

import (
	"context"
	"errors"
	"fmt"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/storage"
)

// issuingClient is the client that issued the person's grant, with its current secret. No other client may refresh it.
func (e *Engine) issuingClient(ctx context.Context, conn connector.Connector, p crmgate.Person) (Client, error) {
	app := p.Grant.App
	var managed *crmgate.OrgApplication
	if app.Account != "" {
		a, err := e.DB.IssuingApp(ctx, p.User.Key.Platform, app)
		if errors.Is(err, crmgate.ErrNotFound) {
			return Client{}, appChanged(err)
		}
		if err != nil {
			return Client{}, err
		}
		managed = &a
	}
	c, err := e.Client(ctx, conn, connector.OAuthInfoRequest{Hostname: p.User.Key.Hostname, TokenURL: app.TokenURL, Account: p.User.Account}, managed)
	var fail *FailMessage
	if errors.As(err, &fail) {
		return c, &Error{Kind: crmgate.ErrAppDead, Message: fail.Message, Err: errors.New("the connector names no application")}
	}
	if err != nil {
		return c, err
	}
	if c.ID != app.ClientID {
		return c, appChanged(fmt.Errorf("client %q issued the grant, and the client is %q now", app.ClientID, c.ID))
	}
	return c, nil
}

func appChanged(err error) error {
	return &Error{Kind: crmgate.ErrAppDead, Message: "The application that signed you in is no longer the one in use. Please connect again.", Err: err}
}

// refreshClient is the client to refresh the person's grant with. The grant of an application that the organisation has
// replaced is not refreshed: the person must sign in again.
func (e *Engine) refreshClient(ctx context.Context, conn connector.Connector, p crmgate.Person) (Client, error) {
	if app := p.Grant.App; app.Account != "" {
		current, err := e.DB.Generation(ctx, app.Account, p.User.Key.Platform)
		if err != nil {
			return Client{}, err
		}
		if current != app.Generation {
			return Client{}, signInAgain("the organisation has replaced its application")
		}
	}
	c, err := e.issuingClient(ctx, conn, p)
	if err != nil || conn.Implements("checkAndRefreshAccessToken") {
		return c, err
	}
	return c.forRefresh()
}

// Issuer is the client of a journaled answer, with the fields that a grant names.
func Issuer(entry storage.JournalEntry) Client {
	return Client{Platform: entry.User.Platform, ID: entry.App.ClientID, TokenURL: entry.App.TokenURL, Hostname: entry.Hostname, App: entry.App}
}
