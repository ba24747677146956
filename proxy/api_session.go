package proxy

import (
	"context"
	"errors"
	"log/slog"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/proxy/session"
)

// sessionAPI has the routes of signed-in people.
type sessionAPI struct {
	check    sessionCheck
	sessions *session.Sessions
	logger   *slog.Logger
}

// unsuccessful is {"successful":false}.
type unsuccessful struct {
	Successful bool `json:"successful"`
}

// outcome is the answer of operations on a signed-in person.
type outcome struct {
	Successful bool `json:"successful"`
	refusal
}

// refusal says in an answer with status 200 why a request failed.
type refusal struct {
	Message *crmgate.ReturnMessage `json:"returnMessage,omitempty"`
	Code    string                 `json:"errorCode,omitempty"`
}

// sessionEnded is the refusal of a token whose session has ended. The code is App Connect's: to go on, connect again.
var sessionEnded = refusal{&session.Expired, "CRM_SESSION_INVALID"}

var endedOutcome = outcome{refusal: sessionEnded}

func answerOf(out connector.Outcome) outcome {
	return outcome{out.Successful, refusal{Message: out.Message}}
}

func (a sessionAPI) hostname(_ context.Context, _ *request, ses session.Session) (any, error) {
	if ses.Key.Hostname == "" {
		return nil, nil // upstream's null
	}
	return text(ses.Key.Hostname), nil
}

func (a sessionAPI) authValidation(ctx context.Context, _ *request, ses session.Session) (any, error) {
	out, err := a.sessions.Validate(ctx, ses.Key)
	return answerOf(out), err
}

// license is the answer of licenseStatus if the connector gives none.
type license struct {
	Valid       bool   `json:"isLicenseValid"`
	Status      string `json:"licenseStatus"`
	Description string `json:"licenseStatusDescription"`
	refusal
}

// licenseStatus answers every failure with status 200, as its clients expect.
func (a sessionAPI) licenseStatus(ctx context.Context, r *request) (any, error) {
	invalid := func(why string) license { return license{Status: "Invalid (" + why + ")"} }
	const userNotFound = "User not found"
	ended := invalid(userNotFound)
	ended.refusal = sessionEnded
	out, err := a.check.live(func(ctx context.Context, _ *request, ses session.Session) (any, error) {
		own, err := a.sessions.License(ctx, ses.Key)
		if err != nil {
			a.logger.InfoContext(ctx, "license status", "platform", ses.Key.Platform, "err", err)
			return invalid("Connect to get license status"), nil
		}
		return own, nil
	}, refusals{ghost: reply(invalid(userNotFound)), ended: reply(ended), undecodable: errInvalidToken})(ctx, r)
	if errors.Is(err, errNoSession) {
		return invalid("Invalid user session"), nil
	}
	return out, err
}

func (a sessionAPI) unAuthorize(ctx context.Context, _ *request, ses session.Session) (any, error) {
	m, err := a.sessions.Logout(ctx, ses.Key)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// refreshInfo needs no live session if the connector has nothing to refresh, as upstream.
func (a sessionAPI) refreshInfo(ctx context.Context, r *request) (any, error) {
	notFound := connector.Outcome{Message: &crmgate.ReturnMessage{Message: "User not found", MessageType: "warning", TTL: 5000}}
	withoutUser := func(p crmgate.Platform) any {
		if out, ok := a.sessions.RefreshWithoutUser(ctx, p); ok {
			return answerOf(out)
		}
		return nil
	}
	return a.check.live(func(ctx context.Context, _ *request, ses session.Session) (any, error) {
		out := a.sessions.RefreshInfo(ctx, ses.Key)
		return answerOf(out), nil
	}, refusals{
		ghost: reply(answerOf(notFound)), ended: reply(endedOutcome), undecodable: reply(answerOf(session.RefreshFailure("", 0))), anyway: withoutUser,
	})(ctx, r)
}
