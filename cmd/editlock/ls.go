package main

import (
	"context"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/editlock/editlock/wire"
)

type lsCmd struct {
	remote
	Prefix string `arg:"" optional:"" help:"Only this resource, and what is below it."`
	JSON   bool   `help:"One JSON object a line, for machines." name:"json"`
}

func (lsCmd) Help() string {
	return "Lists what is held, lapsed or waited for, as far as the access token lets you watch it.\n\n" + exitCodes
}

func (c *lsCmd) Run(ctx context.Context) error {
	list := newListing(os.Stdout, c.JSON)
	row := func(s *wire.Snapshot) error {
		since := "-"
		if s.Holder != nil {
			since = list.when(s.Holder.Since)
		}
		return list.row([]string{"RESOURCE", "HOLDER", "SINCE", "WAITING"}, s, s.Resource, held(s), since, strconv.Itoa(s.Waiting))
	}
	name, seen := strings.TrimSuffix(c.Prefix, "/"), false
	if name != "" && !strings.HasSuffix(c.Prefix, "/") {
		var s wire.Snapshot
		err := c.call(ctx, http.MethodGet, "/v1/locks/"+pathOf(name), nil, &s)
		switch {
		case forbidden(err):
			s = wire.Snapshot{State: wire.Free} // who may not see this may see what is below it; if not, the list says so
		case err != nil:
			return err
		default:
			seen = true
		}
		if s.State != wire.Free || s.Waiting > 0 {
			if err := row(&s); err != nil {
				return err
			}
		}
	}
	if name != "" {
		name += "/"
	}
	query := url.Values{"prefix": {name}, "limit": {"500"}}
	for {
		var part wire.LockList
		if err := c.call(ctx, http.MethodGet, "/v1/locks?"+query.Encode(), nil, &part); seen && !query.Has("cursor") && forbidden(err) {
			part = wire.LockList{} // with the usual right one sees the resource, and has none to what might be below it
		} else if err != nil {
			return list.cut(err)
		}
		for i := range part.Locks {
			if err := row(&part.Locks[i]); err != nil {
				return err
			}
		}
		if part.Cursor == "" {
			return list.end("Nothing is held or waited for.")
		}
		query.Set("cursor", part.Cursor)
	}
}
