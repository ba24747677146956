package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/revoke"
	"github.com/crmgate/crmgate/proxy/token"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
)

// Expired is the message for a person whose session, or whose sign-in at the CRM, has ended.
var Expired = crmgate.ReturnMessage{MessageType: "warning", Message: "User session expired. Please connect again.", TTL: 5000}

// Validate reports whether a person's sign-in is still valid at the CRM, and refreshes the access token if it is due. A
// sign-in that has ended is an unsuccessful Outcome. Any other failure is an error if the connector implements
// authValidation (upstream answers 400), else an unsuccessful Outcome too. The error is crmgate.ErrNotFound if the person was
// deleted.
func (ss *Sessions) Validate(ctx context.Context, key crmgate.UserKey) (connector.Outcome, error) {
	conn, err := ss.Connectors.Find(ctx, key.Platform)
	if err != nil {
		return connector.Outcome{}, err
	}
	own := conn.Implements("authValidation")
	p, err := ss.Tokens.Live(ctx, key)
	switch {
	case errors.Is(err, crmgate.ErrUserDead):
		return connector.Outcome{Message: &Expired}, nil
	case errors.Is(err, crmgate.ErrNotFound):
		return connector.Outcome{}, err
	case errors.Is(err, crmgate.ErrAppDead), err != nil && !own:
		return connector.Outcome{Message: ss.excuse(ctx, err)}, nil
	case err != nil:
		return connector.Outcome{}, err
	case !own:
		return connector.Outcome{Successful: true}, nil
	}
	out, err := token.CallLive(ctx, ss.Tokens, conn.AuthValidation, conn, p)
	switch {
	case errors.Is(err, crmgate.ErrUserDead):
		return connector.Outcome{Message: &Expired}, nil
	case errors.Is(err, errors.ErrUnsupported):
		return connector.Outcome{Successful: true}, nil
	case err == nil:
		err = ss.Tokens.Apply(ctx, key, out)
	}
	return out, err
}

// excuse logs a failure and returns a message for the person.
func (ss *Sessions) excuse(ctx context.Context, err error) *crmgate.ReturnMessage {
	ss.Logger.Log(ctx, token.LogLevel(err), "could not obtain an access token", "err", err)
	text := "The CRM cannot be reached at the moment. Please try again later."
	if errors.Is(err, crmgate.ErrAppDead) {
		text = "The CRM rejects the application that signed you in. Please tell your administrator."
	}
	return &crmgate.ReturnMessage{MessageType: "warning", Message: text, TTL: 5000}
}

// License returns the connector's license object.
func (ss *Sessions) License(ctx context.Context, key crmgate.UserKey) (json.RawMessage, error) {
	conn, err := ss.Connectors.Find(ctx, key.Platform)
	if err != nil {
		return nil, err
	}
	if !conn.Implements("getLicenseStatus") {
		return nil, fmt.Errorf("getLicenseStatus: %w", errors.ErrUnsupported)
	}
	p, err := ss.Tokens.Live(ctx, key)
	if err != nil {
		return nil, err
	}
	return token.CallLive(ctx, ss.Tokens, conn.LicenseStatus, conn, p)
}

// RefreshWithoutUser is RefreshInfo's result if that does not depend on the user: the platform has no connector, or the
// connector does not implement refreshUserInfo. Otherwise ok is false.
func (ss *Sessions) RefreshWithoutUser(ctx context.Context, p crmgate.Platform) (out connector.Outcome, ok bool) {
	conn, err := ss.Connectors.Find(ctx, p)
	if err == nil {
		_, err = conn.AuthType()
	}
	switch {
	case err != nil:
		return RefreshFailure(p, 0), true
	case !conn.Implements("refreshUserInfo"):
		return connector.Outcome{Successful: true}, true
	}
	return connector.Outcome{}, false
}

// RefreshInfo has the connector read the person's data again. Like upstream, it reports a failure in the Outcome.
func (ss *Sessions) RefreshInfo(ctx context.Context, key crmgate.UserKey) connector.Outcome {
	out, ok := ss.RefreshWithoutUser(ctx, key.Platform)
	if ok {
		return out
	}
	conn, err := ss.Connectors.Find(ctx, key.Platform)
	var p crmgate.Person
	if err == nil {
		p, err = ss.Tokens.Live(ctx, key)
	}
	if err == nil {
		out, err = token.CallLive(ctx, ss.Tokens, conn.RefreshUserInfo, conn, p)
	}
	if err == nil {
		err = ss.Tokens.Apply(ctx, key, out)
	}
	switch {
	case errors.Is(err, crmgate.ErrUserDead), errors.Is(err, crmgate.ErrNotFound):
		return connector.Outcome{Message: &Expired}
	case err != nil:
		ss.Logger.Log(ctx, token.LogLevel(err), "refreshUserInfo", "platform", key.Platform, "err", err)
		return RefreshFailure(key.Platform, token.CRMStatus(err))
	}
	return out
}

// RefreshFailure is upstream's answer to a failure of refreshUserInfo, by the CRM's status. The id in its generic form is a
// number, and a string in the others.
func RefreshFailure(platform crmgate.Platform, status int) connector.Outcome {
	message, detail, id := "Error performing refreshUserInfo", "Please check if your account has the necessary permissions.", any(1)
	switch {
	case status == 429:
		message, id = "Rate limit exceeded", "1"
		detail = fmt.Sprintf("You have exceeded the maximum number of requests allowed by %s. Please try again in the next minute. If the problem persists please contact support.", platform)
	case status >= 400 && status < 410:
		message, id = "Authorization error", "1"
		detail = fmt.Sprintf("It seems like there's something wrong with your authorization of %s. Please Logout and then Connect your %s account within this extension.", platform, platform)
	}
	type item struct {
		ID   any    `json:"id"`
		Type string `json:"type"`
		Text string `json:"text"`
	}
	type section struct {
		Title string `json:"title"`
		Items []item `json:"items"`
	}
	details, _ := json.Marshal([]section{{"Details", []item{{id, "text", detail}}}})
	return connector.Outcome{Message: &crmgate.ReturnMessage{Message: message, MessageType: "warning", TTL: 5000, Details: details}}
}

// Logout ends the person's session and forgets the grant. Then it revokes the grant at the CRM; if that fails, the queue does
// it later, and the person is logged out all the same. It returns crmgate.ErrNotFound if there is no such person.
func (ss *Sessions) Logout(ctx context.Context, key crmgate.UserKey) (*crmgate.ReturnMessage, error) {
	v, err := ss.DB.EndSession(ctx, key, storage.LogEvent(audit.Event{Kind: audit.EventLogout, By: audit.ByPerson, Outcome: audit.OutcomeOK}))
	if err != nil {
		return nil, err
	}
	_, m := ss.Revocations.Attempt(ctx, v)
	ss.Count("logout", key.Platform, "ok")
	ss.Logger.InfoContext(ctx, "logout", "platform", key.Platform)
	if m != nil {
		return m, nil
	}
	name := string(key.Platform)
	if conn, err := ss.Connectors.Find(ctx, key.Platform); err == nil {
		name = conn.Manifest().Title
	}
	return &crmgate.ReturnMessage{MessageType: "success", Message: "Logged out of " + name, TTL: 3000}, nil
}

// Forget removes a person and their grant for the operator. Then it revokes the grant at the CRM and returns the result. It
// returns crmgate.ErrNotFound if there is no such person.
func (ss *Sessions) Forget(ctx context.Context, key crmgate.UserKey) (revoke.Result, error) {
	v, err := ss.DB.DeletePerson(ctx, key, storage.LogEvent(audit.Event{Kind: audit.EventDeletion, By: audit.ByOperator, Outcome: audit.OutcomeOK}))
	if err != nil {
		return "", err
	}
	told, _ := ss.Revocations.Attempt(crmgate.WithPerson(ctx, key), v)
	ss.Count("delete", key.Platform, "ok")
	return told, nil
}
