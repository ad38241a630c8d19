package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/editlock/editlock"
	"github.com/editlock/editlock/client"
	"github.com/editlock/editlock/wire"
)

type watchCmd struct {
	remote
	What string `arg:"" optional:"" help:"A resource such as article/42, or a prefix such as article/ for all below it. Without it, everything that the token may see."`
	JSON bool   `help:"One JSON object a line, with times in UTC."`
}

func (watchCmd) Help() string {
	return `Prints who edits what, now and at every change, until it is interrupted. Of what changes faster than it can be printed, the last state is shown.
After a cut it comes back by itself, and shows what has changed meanwhile. If no server has answered yet, it ends after 10 s.

` + exitCodes
}

func (c *watchCmd) Run(ctx context.Context) error {
	s, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	news, err := s.Watch(ctx, c.What)
	if err != nil {
		return worded(err)
	}
	p := printer{out: os.Stdout, json: c.JSON, shown: map[string]string{}}
	first, err := c.all(ctx)
	if err != nil {
		return err
	}
	known := map[string]int64{} // the news may be older
	for _, snap := range first {
		known[snap.Resource] = snap.Revision
		if err := p.print(snap, time.Now()); err != nil {
			return err
		}
	}
	for snap := range news {
		if snap.Revision < known[snap.Resource] {
			continue
		}
		delete(known, snap.Resource)
		if err := p.print(snap, time.Now()); err != nil {
			return err
		}
	}
	if ctx.Err() == nil { // a right was withdrawn, say; standard error has why
		return &exit{exitRefused, errors.New("there is no more news of this")}
	}
	return nil
}

// all lists what there is below a prefix: the news begin with the first 1,000 only.
func (c *watchCmd) all(ctx context.Context) (snaps []editlock.Snapshot, err error) {
	if c.What != "" && !strings.HasSuffix(c.What, "/") {
		return nil, nil
	}
	query := url.Values{"prefix": {c.What}, "limit": {"1000"}}
	for {
		var part wire.LockList
		if err := c.call(ctx, http.MethodGet, "/v1/locks?"+query.Encode(), nil, &part); err != nil {
			return nil, err
		}
		for _, l := range part.Locks {
			snap := editlock.Snapshot{Resource: l.Resource, Revision: l.Revision, State: editlock.State(l.State), Waiting: l.Waiting, Version: l.Version}
			if h := l.Holder; h != nil {
				snap.Holder = &editlock.Holder{User: editlock.User{ID: h.User, Name: h.Name}, Since: h.Since, You: h.You, Yours: h.Yours}
			}
			snaps = append(snaps, snap)
		}
		if part.Cursor == "" {
			return snaps, nil
		}
		query.Set("cursor", part.Cursor)
	}
}

// open makes a session at the server of the flags.
func (r *remote) open(ctx context.Context) (*client.Session, error) {
	base, err := r.base()
	if err != nil {
		return nil, err
	}
	if _, err := r.token(); err != nil {
		return nil, err
	}
	log := &plain{out: os.Stderr, server: base.String()}
	s, err := client.Open(ctx, client.Options{
		Servers: []string{base.String()},
		Token:   func(context.Context) (string, error) { return r.token() },
		Timeout: firstAnswer,
		Logger:  slog.New(log),
	})
	switch {
	case errors.Is(err, editlock.ErrUnavailable):
		return nil, &exit{exitUnreachable, fmt.Errorf("%s. %s", strings.TrimSuffix(words(err), "."), isItThere)}
	case err != nil:
		return nil, worded(err)
	}
	log.welcomed.Store(true)
	return s, nil
}

// firstAnswer is how long a session waits for a server that has never answered. It may be that the address is mistyped; one that has
// answered comes back.
const firstAnswer = 10 * time.Second

// worded gives an error of a session its exit code.
func worded(err error) error {
	var known *exit
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, editlock.ErrLocked):
		return &exit{exitLocked, err}
	case errors.Is(err, client.ErrUnauthenticated), errors.Is(err, client.ErrForbidden):
		return &exit{exitRefused, err}
	case errors.Is(err, editlock.ErrUnavailable), errors.Is(err, editlock.ErrUnknownOutcome), errors.Is(err, editlock.ErrTooManySessions):
		return &exit{exitUnreachable, err}
	case errors.Is(err, editlock.ErrBadResource):
		return &exit{exitUsage, err}
	}
	return &exit{exitFailed, err}
}

// plain is a log in words, for a command that a person runs.
type plain struct {
	out      io.Writer
	server   string
	welcomed atomic.Bool // the server has answered once
}

func (*plain) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }
func (p *plain) WithAttrs([]slog.Attr) slog.Handler             { return p }
func (p *plain) WithGroup(string) slog.Handler                  { return p }

func (p *plain) Handle(_ context.Context, r slog.Record) error {
	text := "editlock: " + strings.TrimPrefix(r.Message, "editlock: ")
	r.Attrs(func(a slog.Attr) bool {
		why := library.ReplaceAllString(a.Value.String(), "$1")
		switch {
		case a.Key == "why" && !p.welcomed.Load():
			text = fmt.Sprintf("editlock: no server answers at %s yet (%s); asking again, for %v in all. %s", p.server, strings.TrimPrefix(why, p.server+": "), firstAnswer, saysWhere)
		case a.Key == "why" || a.Key == "err":
			text += " (" + why + ")"
		}
		return true
	})
	_, err := fmt.Fprintln(p.out, text)
	return err
}

// printer shows snapshots. A line that says the same as the last one about its resource is not printed, save that it
// is free, which is not kept in mind.
type printer struct {
	out   io.Writer
	json  bool
	shown map[string]string // the last of every resource that is not free
}

// line is what --json prints: a snapshot as ls has it, and when it came.
type line struct {
	At time.Time `json:"at"`
	wire.Snapshot
}

func (p *printer) print(snap editlock.Snapshot, now time.Time) error {
	l := line{now.UTC().Truncate(time.Millisecond), wire.Snapshot{
		Resource: snap.Resource, Revision: snap.Revision, State: wire.State(snap.State), Waiting: snap.Waiting, Version: snap.Version,
	}}
	same := fmt.Sprint(l.State, l.Waiting, l.Version)
	if h := snap.Holder; h != nil {
		l.Holder = &wire.Holder{User: h.User.ID, Name: h.User.Name, Since: h.Since.UTC(), HeldFor: wire.In(now.Sub(h.Since)), You: h.You, Yours: h.Yours}
		same += fmt.Sprint(h.User, h.Since.Unix())
	}
	before, known := p.shown[l.Resource]
	if snap.State == editlock.Free && snap.Waiting == 0 {
		delete(p.shown, l.Resource)
		if known && before == same {
			return nil
		}
	} else if p.shown[l.Resource] = same; before == same {
		return nil
	}
	if p.json {
		encoder := json.NewEncoder(p.out)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(l)
	}
	_, err := fmt.Fprintf(p.out, "%s  %s  %s\n", now.Local().Format(time.TimeOnly), harmless(l.Resource), inWords(snap, now))
	return err
}

// inWords says how things stand.
func inWords(snap editlock.Snapshot, now time.Time) string {
	var text string
	switch h := snap.Holder; {
	case h == nil && snap.Waiting > 0:
		text = "is being handed over"
	case h == nil:
		text = "is free"
	case snap.State == editlock.Lapsed:
		text = fmt.Sprintf("was edited by %s since %s, who has not been heard of any more: whoever asks gets it", harmless(person(h.User.ID, h.User.Name)), clock(h.Since, now))
	default:
		text = fmt.Sprintf("is edited by %s since %s", harmless(person(h.User.ID, h.User.Name)), clock(h.Since, now))
	}
	if snap.Waiting > 0 {
		text += fmt.Sprintf(", %d waiting", snap.Waiting)
	}
	if snap.Version != "" {
		text += fmt.Sprintf(", saved as version %s", harmless(snap.Version))
	}
	return text
}

// clock is an instant in local time, with how long ago that is.
func clock(t, now time.Time) string {
	layout := "15:04"
	if t.Local().Format(time.DateOnly) != now.Local().Format(time.DateOnly) {
		layout = "2006-01-02 15:04"
	}
	return t.Local().Format(layout) + " (" + ago(now.Sub(t)) + ")"
}
