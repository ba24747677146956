package proxy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/crmgate/crmgate/proxy/authflow"
)

// code is what this package's text says of its routes.
type code struct {
	routes    map[string]ast.Expr      // what runs them, by method and path
	functions map[string]*ast.FuncDecl // functions and methods, by name
	cookies   map[string]string        // names of cookies, by their constants
}

func readCode(t *testing.T) code {
	t.Helper()
	c := code{routes: map[string]ast.Expr{}, functions: map[string]*ast.FuncDecl{}, cookies: map[string]string{}}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		c.read(f)
	}
	return c
}

// read takes from a file what is looked for.
func (c code) read(f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			c.functions[n.Name.Name] = n
		case *ast.ValueSpec:
			if kind, ok := n.Type.(*ast.Ident); ok && kind.Name == "cookie" {
				c.cookies[n.Names[0].Name] = text(n.Values[0])
			}
		case *ast.CompositeLit:
			row := map[string]ast.Expr{}
			for _, e := range n.Elts {
				if kv, ok := e.(*ast.KeyValueExpr); ok {
					if name, ok := kv.Key.(*ast.Ident); ok {
						row[name.Name] = kv.Value
					}
				}
			}
			if row["run"] != nil {
				c.routes[text(row["method"])+" "+text(row["path"])] = row["run"]
			}
		}
		return true
	})
}

// reads is what a handler reads of a request: "query state", "header Origin", "member apiKey". What the functions that it
// calls read belongs to it, save what only POST reads.
func (c code) reads(method string, handler ast.Node) map[string]bool {
	all, seen := map[string]bool{}, map[string]bool{}
	var visit func(ast.Node)
	visit = func(n ast.Node) {
		ast.Inspect(n, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				maps.Copy(all, c.readBy(n))
			case *ast.ValueSpec:
				maps.Copy(all, membersOf(n))
			case *ast.IfStmt:
				if cond, ok := n.Cond.(*ast.CallExpr); ok && method != "POST" {
					if f, ok := cond.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "IsPost" {
						return false
					}
				}
			}
			if f := c.functions[called(n)]; f != nil && !seen[f.Name.Name] {
				seen[f.Name.Name] = true
				visit(f)
			}
			return true
		})
	}
	visit(handler)
	delete(all, "header Content-Encoding") // of any body
	return all
}

// called is the name of the function or of the method of s or r that a node names.
func called(n ast.Node) string {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		if x, ok := n.X.(*ast.Ident); ok && (x.Name == "s" || x.Name == "r") {
			return n.Sel.Name
		}
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok {
			return f.Name
		}
	}
	return ""
}

// readBy is what a call of one of request's methods, or of cookie, reads.
func (c code) readBy(call *ast.CallExpr) map[string]bool {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return nil
	}
	all := map[string]bool{}
	switch name := text(call.Args[0]); method.Sel.Name {
	case "cookie":
		if constant, ok := call.Args[1].(*ast.Ident); ok {
			all["cookie "+c.cookies[constant.Name]] = true
		}
	case "param", "joined", "list":
		if name != "" {
			all["query "+name] = true
		}
	case "params":
		if names, ok := call.Args[0].(*ast.CompositeLit); ok {
			for _, e := range names.Elts {
				all["query "+text(e.(*ast.KeyValueExpr).Key)] = true
			}
		}
	case "header":
		if name != "" {
			all["header "+name] = true
		}
	}
	return all
}

// membersOf are the members of a body: handlers read it into a variable b.
func membersOf(v *ast.ValueSpec) map[string]bool {
	body, ok := v.Type.(*ast.StructType)
	if !ok || v.Names[0].Name != "b" {
		return nil
	}
	all := map[string]bool{}
	for _, f := range body.Fields.List {
		if f.Tag != nil {
			name, _, _ := strings.Cut(reflect.StructTag(text(f.Tag)).Get("json"), ",")
			all["member "+name] = true
		}
	}
	return all
}

// text is the value of a string literal, or of the one constant of another package in the route table; "" of anything else.
func text(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			s, _ := strconv.Unquote(e.Value)
			return s
		}
	case *ast.SelectorExpr:
		if e.Sel.Name == "LandingPage" {
			return authflow.LandingPage
		}
	}
	return ""
}
