package proxy

import (
	"context"
	"errors"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/session"
)

// unsuccessful is {"successful":false}.
type unsuccessful struct {
	Successful bool `json:"successful"`
}

// outcome is how operations on a signed-in person answer.
type outcome struct {
	Successful bool                   `json:"successful"`
	Message    *crmgate.ReturnMessage `json:"returnMessage,omitempty"`
}

func (s *Server) hostname(_ context.Context, _ *request, ses session.Session) (any, error) {
	if ses.Hostname == "" {
		return nil, nil // upstream's null
	}
	return text(ses.Hostname), nil
}

func (s *Server) authValidation(ctx context.Context, _ *request, ses session.Session) (any, error) {
	out, err := s.Sessions.Validate(ctx, ses.Key)
	return outcome{out.Successful, out.Message}, err
}

// licenseStatus tells of every failure with status 200, as its clients expect.
func (s *Server) licenseStatus(ctx context.Context, r *request) (any, error) {
	type license struct {
		Valid       bool   `json:"isLicenseValid"`
		Status      string `json:"licenseStatus"`
		Description string `json:"licenseStatusDescription"`
	}
	invalid := func(why string) license { return license{Status: "Invalid (" + why + ")"} }
	out, err := s.session(func(ctx context.Context, _ *request, ses session.Session) (any, error) {
		own, err := s.Sessions.License(ctx, ses.Key)
		if err != nil {
			s.Logger.InfoContext(ctx, "license status", "platform", ses.Key.Platform, "err", err)
			return invalid("Connect to get license status"), nil
		}
		return own, nil
	}, refusals{ghost: reply(invalid("User not found")), undecodable: errInvalidToken})(ctx, r)
	if errors.Is(err, errNoSession) {
		return invalid("Invalid user session"), nil
	}
	return out, err
}

func (s *Server) unAuthorize(ctx context.Context, _ *request, ses session.Session) (any, error) {
	m, err := s.Sessions.Logout(ctx, ses.Key)
	if err != nil {
		return nil, err
	}
	return m, nil
}

// refreshInfo answers for a ghost without looking further if the connector has nothing to refresh, as upstream does.
func (s *Server) refreshInfo(ctx context.Context, r *request) (any, error) {
	notFound := outcome{Message: &crmgate.ReturnMessage{Message: "User not found", MessageType: "warning", TTL: 5000}}
	generic := session.RefreshFailure("", 0)
	noUser := func(p crmgate.Platform) any {
		if out, ok := s.Sessions.RefreshWithoutUser(p); ok {
			return outcome{out.Successful, out.Message}
		}
		return notFound
	}
	return s.session(func(ctx context.Context, _ *request, ses session.Session) (any, error) {
		out := s.Sessions.RefreshInfo(ctx, ses.Key)
		return outcome{out.Successful, out.Message}, nil
	}, refusals{ghostOf: noUser, undecodable: reply(outcome{Message: generic.Message})})(ctx, r)
}
