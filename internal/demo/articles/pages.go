package articles

import (
	"bytes"
	"errors"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	webdemo "github.com/editlock/editlock/web/demo"
)

var pages = template.Must(template.ParseFS(webdemo.Files, "articles.html", "article.html"))

// Pages returns the list and the editor, at /articles and /articles/{id}. Everybody is who ?as= says.
// An editor that asks with a Lock-Token is a new holder's who loads the fresh text.
func (a *API) Pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /articles", a.listPage)
	mux.HandleFunc("GET /articles/{id}", a.page)
	return mux
}

func (a *API) listPage(w http.ResponseWriter, r *http.Request) {
	all, err := a.table.List(r.Context())
	if err != nil {
		a.log.Error("the table does not answer", "error", err)
		http.Error(w, "The articles cannot be reached now. Try again.", http.StatusServiceUnavailable)
		return
	}
	show(w, r, a.log, "articles.html", map[string]any{"As": As(r.URL.Query()), "People": []string{"Ana", "Ben"}, "Articles": all})
}

func (a *API) page(w http.ResponseWriter, r *http.Request) {
	id, ok := number(w, r)
	if !ok {
		return
	}
	var article Article
	var err error
	if r.Header.Get("Lock-Token") == "" {
		article, err = a.table.Load(r.Context(), id)
	} else {
		proof, ok := a.proof(w, r, id)
		if !ok {
			return
		}
		article, err = a.table.LoadFor(r.Context(), id, proof.Fence)
	}
	if errors.Is(err, ErrNotFound) {
		http.Error(w, "There is no such article.", http.StatusNotFound)
		return
	}
	if err != nil {
		a.fail(w, r, id, err)
		return
	}
	as := As(r.URL.Query())
	other := "Ana"
	if as == other {
		other = "Ben"
	}
	first, _ := utf8.DecodeRuneInString(as)
	show(w, r, a.log, "article.html", map[string]any{
		"Article": article, "Resource": Resource(id), "As": as, "Initial": string(first), "Other": other, "Pane": r.URL.Query().Has("pane"),
	})
}

// As is who a visitor of the demo says to be. It proves nothing: an application takes this from its own log-in.
func As(query url.Values) string {
	as := strings.Join(strings.Fields(strings.ToValidUTF8(query.Get("as"), "")), " ")
	if as == "" {
		return "Ana"
	}
	if runes := []rune(as); len(runes) > 40 {
		return string(runes[:40])
	}
	return as
}

func show(w http.ResponseWriter, r *http.Request, log *slog.Logger, name string, data any) {
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, name, data); err != nil {
		log.Error("page", "name", name, "error", err)
		http.Error(w, "The page cannot be shown.", http.StatusInternalServerError)
		return
	}
	// The panes of the demo are frames of the same host, at other ports.
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self' ws: wss:; "+
		"base-uri 'none'; form-action 'self'; frame-ancestors http://"+host+":*")
	h.Set("Content-Length", strconv.Itoa(page.Len()))
	_, _ = w.Write(page.Bytes())
}
