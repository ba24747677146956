package proxy

import (
	"context"

	"github.com/crmgate/crmgate/proxy/web"
)

// asset is a file of the pages. It may be kept: another version has another URL.
type asset struct{ contentType, body string }

var assetTypes = map[string]string{"icon.svg": "image/svg+xml", "page.js": "text/javascript; charset=utf-8", "style.css": "text/css; charset=utf-8"}

// assets are the routes of what the pages name.
func (s *Server) assets() []route {
	var routes []route
	for _, name := range web.Assets {
		routes = append(routes, route{method: "GET", path: "/ui/" + name, quick: true, run: func(context.Context, *request) (any, error) {
			b, err := web.Asset(name)
			return asset{assetTypes[name], string(b)}, err
		}})
	}
	return routes
}
