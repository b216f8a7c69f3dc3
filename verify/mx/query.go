package mx

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"

	"github.com/miekg/dns"
)

// query asks for the records of a name (with its dot, lower case), begins with
// the server behind after, and follows CNAMEs that the server left open.
func (r *Resolver) query(ctx context.Context, name string, qtype uint16, after int) *answer {
	links, ttl := 0, maxTTL
	for {
		a := r.ask(ctx, name, qtype, after)
		links += a.links
		ttl = min(ttl, a.ttl)
		if a.kind != cut {
			a.ttl = ttl
			return a.dated()
		}
		if links > maxCNAME {
			return brokenAnswer("more than " + strconv.Itoa(maxCNAME) + " CNAMEs, or a loop").dated()
		}
		name = a.name
	}
}

// ask puts one question to the servers until one gives an answer that means
// something: after SERVFAIL, REFUSED, a time-out or nonsense the next is asked,
// and also where this host cannot ask one.
func (r *Resolver) ask(ctx context.Context, name string, qtype uint16, after int) *answer {
	last := brokenAnswer("not asked")
	theirs := false // a server failed by itself, which outweighs that we could not ask another
	for _, i := range r.order(after) {
		if ctx.Err() != nil {
			break
		}
		if i == after && last.heard && len(r.servers) > 1 {
			// Another server would not confirm; the first one's word is not
			// worth more for being repeated.
			break
		}
		s := r.servers[i]
		m, err := r.try(ctx, s, name, qtype)
		if err != nil {
			unusable, ours := errors.Is(err, errUnusable), OurTrouble(err)
			if ours {
				r.sight.hampered(cause(err))
			}
			if ctx.Err() == nil && !unusable {
				s.passOver(ours)
			}
			heard := last.heard || unusable
			if !ours || !theirs {
				last = brokenAnswer(cause(err) + " from " + s.addr)
				last.ours = ours // also a reply whose rest we could not fetch over TCP
			}
			last.heard = heard
			theirs = theirs || !ours
			continue
		}
		a := interpret(m, name, qtype)
		a.heard, a.server = true, i
		a.detail += " from " + s.addr
		if a.kind != broken {
			return a
		}
		last, theirs = a, true
	}
	return last
}

// cause says in a word why there was no reply.
func cause(err error) string {
	var ne net.Error
	switch {
	case errors.Is(err, errUnusable):
		return printable(err.Error())
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return "no reply"
	}
	return "no reply (" + printable(err.Error()) + ")"
}

// confirm asks a negative answer a second time, of another server where there
// is one, and believes the two only while the canary sings at both
// (docs/design.md, rule 2). Another answer is returned as it came.
func (r *Resolver) confirm(ctx context.Context, name string, qtype uint16, first *answer) *answer {
	if !first.negative() {
		return first
	}
	// The canary of the first server is asked beside the second question.
	r.canaries.prefetch(first.server)
	second := r.query(ctx, name, qtype, first.server)
	if !second.negative() {
		return second
	}
	for _, s := range []int{first.server, second.server} {
		if failure, err := r.canaries.get(ctx, s); err != nil || failure != nil {
			a := brokenAnswer("not believed, the canary fails: " + first.detail)
			a.ours = OurTrouble(failure)
			return a.dated()
		}
	}
	second.expires = earlier(first.expires, second.expires)
	if first.kind != second.kind {
		second.kind = nodata // the weaker of the two
	}
	return second
}

// askCanary asks one server for a name that must be there. NOERROR passes, with
// or without records. The error is this host's only where both tries failed so.
func (r *Resolver) askCanary(ctx context.Context, server int) error {
	name, types := ".", []uint16{dns.TypeNS, dns.TypeNS} // twice, as a packet may be lost
	if !r.canary.IsZero() {
		name, types = dns.Fqdn(r.canary.String()), []uint16{dns.TypeMX, dns.TypeA}
	}
	var failure error
	for _, qtype := range types {
		err := r.sing(ctx, server, name, qtype)
		if err == nil {
			return nil
		}
		if failure == nil || OurTrouble(failure) {
			failure = err
		}
	}
	return failure
}

func (r *Resolver) sing(ctx context.Context, server int, name string, qtype uint16) error {
	m, err := r.try(ctx, r.servers[server], name, qtype)
	if err != nil {
		if OurTrouble(err) {
			r.sight.hampered(cause(err))
		}
		return err
	}
	a := interpret(m, name, qtype)
	switch a.kind {
	case records, nodata, cut:
		return nil
	case broken, nxdomain:
	}
	return errors.New(a.detail)
}
