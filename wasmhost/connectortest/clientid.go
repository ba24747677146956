package connectortest

import (
	"context"
	"fmt"
	"slices"
)

// checkClientIDs warns about client ids of the connector that are not the manifest's, for each host that the manifest lists.
// A client id that the connector reads from its configuration cannot be compared here; crmgate doctor does that.
func (k *check) checkClientIDs(ctx context.Context, input doc) {
	if input == nil {
		return
	}
	k.scanner.setCase("client id")
	hosts := []string{input.text("hostname")}
	for _, s := range k.manifest.Page.Environment.Selections {
		if host, err := k.manifest.CheckHostname(s.Value); err == nil {
			hosts = append(hosts, host)
		}
	}
	for _, host := range slices.Compact(slices.Sorted(slices.Values(hosts))) {
		want := k.manifest.ForHost(host).OAuth.ClientID
		if want == "" {
			continue
		}
		a := k.call(ctx, "getOauthInfo", input.with("hostname", host), "")
		if got := parseDoc(a.Output).text("clientId"); a.succeeded() && got != "" && got != want && got != configuredClientID {
			where := ""
			if host != "" {
				where = " for " + host
			}
			k.add("client id", Warning, fmt.Sprintf("getOauthInfo answers the clientId %q%s, and the manifest has %q", got, where, want),
				"write the same into both: App Connect's clients send people to the CRM with the manifest's, and the code is exchanged with the connector's")
		}
	}
}
