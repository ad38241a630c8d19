package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/editlock/editlock/wire"
)

// listing prints what a command found: one JSON object a line for machines, or a table for people.
type listing struct {
	out  io.Writer
	json *json.Encoder // nil: for people
	rows *tabwriter.Writer
	now  time.Time
	any  bool
}

func newListing(out io.Writer, asJSON bool) *listing {
	l := &listing{out: out, now: time.Now()}
	if asJSON {
		l.json = json.NewEncoder(out)
		l.json.SetEscapeHTML(false)
	} else {
		l.rows = tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	}
	return l
}

// row adds one thing: as it is for machines, in cells for people.
func (l *listing) row(head []string, thing any, cells ...string) error {
	if l.json != nil {
		return l.json.Encode(thing)
	}
	if !l.any {
		l.any = true
		fmt.Fprintln(l.rows, strings.Join(head, "\t"))
	}
	for i := range cells {
		cells[i] = harmless(cells[i])
	}
	_, err := fmt.Fprintln(l.rows, strings.Join(cells, "\t"))
	return err
}

// end prints what is left, or a remark if there was nothing.
func (l *listing) end(remark string) error {
	switch {
	case l.json != nil:
		return nil
	case !l.any:
		_, err := fmt.Fprintln(l.out, remark)
		return err
	}
	return l.rows.Flush()
}

// cut prints what there was until something went wrong, and returns that.
func (l *listing) cut(err error) error {
	if l.rows != nil && l.any {
		_ = l.rows.Flush() // if that fails too, the first error says more
	}
	return err
}

// harmless takes out of a text of others what a terminal would obey.
func harmless(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return '\uFFFD'
		}
		return r
	}, s)
}

// when writes an instant of the past as people read it: by their clock, and how long ago.
func (l *listing) when(t time.Time) string {
	return t.Local().Format("2006-01-02 15:04:05") + ", " + ago(l.now.Sub(t))
}

func ago(d time.Duration) string {
	if d < time.Second {
		return "just now"
	}
	return lasting(d) + " ago"
}

// lasting writes a duration in its largest two units.
func lasting(d time.Duration) string {
	d = max(d, 0).Round(time.Second)
	days, hours, minutes, seconds := int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60, int(d.Seconds())%60
	switch {
	case days > 0:
		return fmt.Sprintf("%dd %dh", days, hours)
	case hours > 0:
		return fmt.Sprintf("%dh %dm", hours, minutes)
	case minutes > 0:
		return fmt.Sprintf("%dm %ds", minutes, seconds)
	}
	return fmt.Sprintf("%ds", seconds)
}

// person names a user: by name, and by id where that is another.
func person(id, name string) string {
	if name == "" || name == id {
		return id
	}
	return name + " (" + id + ")"
}

// pathOf is a resource as part of an address.
func pathOf(resource string) string {
	segments := strings.Split(resource, "/")
	for i := range segments {
		segments[i] = url.PathEscape(segments[i])
	}
	return strings.Join(segments, "/")
}

// held says who holds, for people.
func held(s *wire.Snapshot) string {
	switch {
	case s.Holder == nil:
		return "-"
	case s.State == wire.Lapsed:
		return person(s.Holder.User, s.Holder.Name) + ", lapsed"
	}
	return person(s.Holder.User, s.Holder.Name)
}
