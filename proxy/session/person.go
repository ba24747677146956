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

// expired is what a person is told whose sign-in the CRM has ended.
var expired = crmgate.ReturnMessage{MessageType: "warning", Message: "User session expired. Please connect again.", TTL: 5000}

// Validate says whether a person's sign-in still stands at the CRM, refreshing the access token if it is due. A
// sign-in that has ended is an Outcome that is not successful. A failure that says nothing about the sign-in is an
// error if the connector has an opinion of its own (upstream answers 400), and an unsuccessful Outcome if it has none.
func (ss *Sessions) Validate(ctx context.Context, key crmgate.UserKey) (connector.Outcome, error) {
	conn, err := ss.Connectors.Find(key.Platform)
	if err != nil {
		return connector.Outcome{}, err
	}
	own := conn.Implements("authValidation")
	p, err := ss.Tokens.Live(ctx, key)
	switch {
	case errors.Is(err, crmgate.ErrUserDead):
		return connector.Outcome{Message: &expired}, nil
	case errors.Is(err, crmgate.ErrAppDead), err != nil && !own:
		return connector.Outcome{Message: ss.excuse(ctx, err)}, nil
	case err != nil:
		return connector.Outcome{}, err
	case !own:
		return connector.Outcome{Successful: true}, nil
	}
	out, err := token.CallLive(ctx, ss.Tokens, conn.AuthValidation, conn, p)
	if errors.Is(err, errors.ErrUnsupported) {
		return connector.Outcome{Successful: true}, nil
	}
	if err == nil {
		err = ss.Tokens.Apply(ctx, key, out)
	}
	return out, err
}

// excuse turns a failure into words for the person; the log gets the cause.
func (ss *Sessions) excuse(ctx context.Context, err error) *crmgate.ReturnMessage {
	ss.Logger.WarnContext(ctx, "a live token could not be had", "err", err)
	text := "The CRM cannot be reached at the moment. Please try again later."
	if errors.Is(err, crmgate.ErrAppDead) {
		text = "The CRM rejects the application that signed you in. Please tell your administrator."
	}
	return &crmgate.ReturnMessage{MessageType: "warning", Message: text, TTL: 5000}
}

// License returns the connector's own object; any failure is an error.
func (ss *Sessions) License(ctx context.Context, key crmgate.UserKey) (json.RawMessage, error) {
	conn, err := ss.Connectors.Find(key.Platform)
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

// RefreshWithoutUser is RefreshInfo's answer where that does not depend on the user, because the platform has no
// connector, or one that reads nothing anew; ok is false where it does.
func (ss *Sessions) RefreshWithoutUser(p crmgate.Platform) (out connector.Outcome, ok bool) {
	conn, err := ss.Connectors.Find(p)
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

// RefreshInfo reads the person's particulars anew. It never fails: what went wrong is said in the Outcome, as upstream does.
func (ss *Sessions) RefreshInfo(ctx context.Context, key crmgate.UserKey) connector.Outcome {
	out, ok := ss.RefreshWithoutUser(key.Platform)
	if ok {
		return out
	}
	p, err := ss.Tokens.Live(ctx, key)
	if errors.Is(err, crmgate.ErrUserDead) {
		return connector.Outcome{Message: &expired}
	}
	var conn connector.Connector
	if err == nil {
		conn, err = ss.Connectors.Find(key.Platform)
	}
	if err == nil {
		if out, err = token.CallLive(ctx, ss.Tokens, conn.RefreshUserInfo, conn, p); err == nil {
			err = ss.Tokens.Apply(ctx, key, out)
		}
	}
	if err != nil {
		ss.Logger.WarnContext(ctx, "refreshUserInfo", "platform", key.Platform, "err", err)
		return RefreshFailure(key.Platform, token.CRMStatus(err))
	}
	return out
}

// RefreshFailure is upstream's answer when refreshUserInfo fails, by the CRM's status. Its generic form has an id that
// is a number, where the others have a string.
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

// Logout ends the person's session and forgets the grant, and then tells the CRM. What the CRM says does not matter to
// the person, who is logged out already; if it cannot be told, it will be. crmgate.ErrNotFound if there is no such person.
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
	if conn, err := ss.Connectors.Find(key.Platform); err == nil {
		name = conn.Manifest().Title
	}
	return &crmgate.ReturnMessage{MessageType: "success", Message: "Logged out of " + name, TTL: 3000}, nil
}

// Forget removes a person and what they were granted, on the operator's word, and then tells the CRM; the result says whether that worked.
// crmgate.ErrNotFound if there is no such person.
func (ss *Sessions) Forget(ctx context.Context, key crmgate.UserKey) (revoke.Result, error) {
	v, err := ss.DB.DeletePerson(ctx, key, storage.LogEvent(audit.Event{Kind: audit.EventDeletion, By: audit.ByOperator, Outcome: audit.OutcomeOK}))
	if err != nil {
		return "", err
	}
	told, _ := ss.Revocations.Attempt(ctx, v)
	ss.Count("delete", key.Platform, "ok")
	return told, nil
}
