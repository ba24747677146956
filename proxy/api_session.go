package proxy

import (
	"context"
	"errors"
	"log/slog"

	"github.com/crmgate/crmgate"
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
	Successful bool                   `json:"successful"`
	Message    *crmgate.ReturnMessage `json:"returnMessage,omitempty"`
}

func (a sessionAPI) hostname(_ context.Context, _ *request, ses session.Session) (any, error) {
	if ses.Key.Hostname == "" {
		return nil, nil // upstream's null
	}
	return text(ses.Key.Hostname), nil
}

func (a sessionAPI) authValidation(ctx context.Context, _ *request, ses session.Session) (any, error) {
	out, err := a.sessions.Validate(ctx, ses.Key)
	return outcome{out.Successful, out.Message}, err
}

// licenseStatus answers every failure with status 200, as its clients expect.
func (a sessionAPI) licenseStatus(ctx context.Context, r *request) (any, error) {
	type license struct {
		Valid       bool   `json:"isLicenseValid"`
		Status      string `json:"licenseStatus"`
		Description string `json:"licenseStatusDescription"`
	}
	invalid := func(why string) license { return license{Status: "Invalid (" + why + ")"} }
	out, err := a.check.live(func(ctx context.Context, _ *request, ses session.Session) (any, error) {
		own, err := a.sessions.License(ctx, ses.Key)
		if err != nil {
			a.logger.InfoContext(ctx, "license status", "platform", ses.Key.Platform, "err", err)
			return invalid("Connect to get license status"), nil
		}
		return own, nil
	}, refusals{ghost: reply(invalid("User not found")), undecodable: errInvalidToken})(ctx, r)
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

// refreshInfo answers a ghost without a look at the store if the connector has nothing to refresh, as upstream does.
func (a sessionAPI) refreshInfo(ctx context.Context, r *request) (any, error) {
	notFound := outcome{Message: &crmgate.ReturnMessage{Message: "User not found", MessageType: "warning", TTL: 5000}}
	generic := session.RefreshFailure("", 0)
	noUser := func(p crmgate.Platform) any {
		if out, ok := a.sessions.RefreshWithoutUser(p); ok {
			return outcome{out.Successful, out.Message}
		}
		return notFound
	}
	return a.check.live(func(ctx context.Context, _ *request, ses session.Session) (any, error) {
		out := a.sessions.RefreshInfo(ctx, ses.Key)
		return outcome{out.Successful, out.Message}, nil
	}, refusals{ghostOf: noUser, undecodable: reply(outcome{Message: generic.Message})})(ctx, r)
}
