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

// code is the source of this package, as far as the routes need it.
type code struct {
	routes    map[string]ast.Expr      // handlers by method and path
	functions map[string]*ast.FuncDecl // by name, methods by "type.name"
	cookies   map[string]string        // names of cookies by their constants
	fields    map[string]string        // types of struct fields by "type.field"
	groups    map[string]string        // types of the route table's variables by name
}

func readCode(t *testing.T) code {
	t.Helper()
	c := code{map[string]ast.Expr{}, map[string]*ast.FuncDecl{}, map[string]string{}, map[string]string{}, map[string]string{}}
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

// read adds the declarations of a file.
func (c code) read(f *ast.File) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			name := n.Name.Name
			if n.Recv != nil {
				name = typeName(n.Recv.List[0].Type) + "." + name
			}
			c.functions[name] = n
			if name == "newRoutes" {
				c.readGroups(n)
			}
		case *ast.TypeSpec:
			if s, ok := n.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					for _, name := range f.Names {
						c.fields[n.Name.Name+"."+name.Name] = typeName(f.Type)
					}
				}
			}
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

// readGroups reads the types of the variables that the route table names handlers of.
func (c code) readGroups(f *ast.FuncDecl) {
	for _, p := range f.Type.Params.List {
		c.groups[p.Names[0].Name] = typeName(p.Type)
	}
	for _, n := range f.Body.List {
		if a, ok := n.(*ast.AssignStmt); ok {
			for i, v := range a.Lhs {
				if lit, ok := a.Rhs[i].(*ast.CompositeLit); ok {
					c.groups[v.(*ast.Ident).Name] = typeName(lit.Type)
				}
			}
		}
	}
}

// typeName is the name of a type of this package or of a pointer to one; "" for other types.
func typeName(e ast.Expr) string {
	if p, ok := e.(*ast.StarExpr); ok {
		e = p.X
	}
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// reads returns what a handler and the functions that it calls read of a request: "query state", "header Origin",
// "member apiKey". For other methods it leaves out what is read only for POST.
func (c code) reads(method string, handler ast.Node) map[string]bool {
	all, seen := map[string]bool{}, map[string]bool{}
	var visit func(ast.Node, map[string]string)
	visit = func(n ast.Node, scope map[string]string) {
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
			if name := c.called(n, scope); c.functions[name] != nil && !seen[name] {
				seen[name] = true
				visit(c.functions[name], scopeOf(c.functions[name]))
			}
			return true
		})
	}
	visit(handler, c.groups)
	delete(all, "header Content-Encoding") // of any body
	return all
}

// scopeOf returns the types of a function's receiver and parameters by their names.
func scopeOf(f *ast.FuncDecl) map[string]string {
	scope := map[string]string{"r": "request"} // also in function literals
	list := f.Type.Params.List
	if f.Recv != nil {
		list = append(f.Recv.List, list...)
	}
	for _, p := range list {
		for _, name := range p.Names {
			scope[name.Name] = typeName(p.Type)
		}
	}
	return scope
}

// called is the name of the function or method that a node names, as in c.functions.
func (c code) called(n ast.Node, scope map[string]string) string {
	switch n := n.(type) {
	case *ast.SelectorExpr:
		return c.typeOf(n.X, scope) + "." + n.Sel.Name
	case *ast.CallExpr:
		if f, ok := n.Fun.(*ast.Ident); ok {
			return f.Name
		}
	}
	return ""
}

// typeOf is the type of a variable or of a field of one.
func (c code) typeOf(e ast.Expr, scope map[string]string) string {
	switch e := e.(type) {
	case *ast.Ident:
		return scope[e.Name]
	case *ast.SelectorExpr:
		return c.fields[c.typeOf(e.X, scope)+"."+e.Sel.Name]
	}
	return ""
}

// readBy is what a call of one of the methods of request, or of cookies.value, reads.
func (c code) readBy(call *ast.CallExpr) map[string]bool {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || len(call.Args) == 0 {
		return nil
	}
	all := map[string]bool{}
	switch name := text(call.Args[0]); method.Sel.Name {
	case "value":
		if constant, ok := call.Args[1].(*ast.Ident); ok && c.cookies[constant.Name] != "" {
			all["cookie "+c.cookies[constant.Name]] = true
		}
	case "param", "urlParam", "joined", "list":
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
