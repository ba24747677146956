package token

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/crmgate/crmgate"
)

// renewed gets new tokens, from the connector if it has its own way, else by the standard refresh. info is what the
// connector wants to have changed about the person.
func (e *Engine) renewed(ctx context.Context, conn crmgate.Connector, c Client, p crmgate.Person) (t Tokens, info json.RawMessage, err error) {
	if !conn.Implements("checkAndRefreshAccessToken") {
		t, err = e.refresh(ctx, c, p)
		return t, nil, err
	}
	user, err := UserRequest(ctx, conn, p)
	if err != nil {
		return t, nil, err
	}
	a, err := conn.RefreshAccessToken(ctx, crmgate.RefreshRequest{UserRequest: user, OAuth: c.Info, RefreshToken: p.Grant.RefreshToken})
	if err != nil {
		return t, nil, refused(err)
	}
	t = Tokens{Access: a.AccessToken, Refresh: a.RefreshToken, Issued: e.Now()}
	life := time.Duration(min(a.ExpiresIn, longestLife)) * time.Second
	if life <= 0 {
		life = time.Duration(c.manifest.Refresh.Lifetime) * time.Second
	}
	if life > 0 {
		t.Expiry = t.Issued.Add(life)
	}
	return t, a.AdditionalInfo, nil
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
