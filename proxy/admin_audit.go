package proxy

import (
	"cmp"
	"context"
	"net/url"
	"strings"

	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/org"
	"github.com/crmgate/crmgate/proxy/web"
)

// adminAudit shows the audit log's entries about the account, the latest first.
func (s *Server) adminAudit(ctx context.Context, r *request, a *org.Admin) (any, error) {
	from, err := r.param("from")
	if err != nil {
		return nil, err
	}
	entries, next, err := a.Audit(ctx, from)
	if err != nil {
		return nil, err
	}
	v := web.AdminAudit{Frame: s.frame(a, "Audit log")}
	for _, e := range entries {
		v.Entries = append(v.Entries, auditRow(e))
	}
	if next != "" {
		v.Next = s.adminPath("/audit") + "?from=" + url.QueryEscape(next)
	}
	return adminPage(200, func(b *strings.Builder) error { return s.pages.AdminAudit(b, v) })
}

func auditRow(e operator.AuditEntry) web.Row {
	row := web.Row{Title: e.What, State: e.Outcome, Tone: map[string]string{"ok": "good"}[e.Outcome]}
	if row.Tone == "" {
		row.Tone = "bad"
	}
	what := moment(e.Time) + ", by " + e.By
	if e.Platform != "" {
		what += ", " + string(e.Platform)
	}
	if who := cmp.Or(e.Name, string(e.User)); who != "" {
		what += ", " + who
	}
	row.Sentences = []string{what}
	if e.Reason != "" {
		row.Sentences = append(row.Sentences, e.Reason)
	}
	return row
}
