package reply

import "testing"

// BenchmarkClassify judges the goldens in turn; the figure is per reply.
func BenchmarkClassify(b *testing.B) {
	all := readGoldens(b)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		g := &all[i%len(all)]
		Classify(g.stage, g.reply, g.host)
		i++
	}
}

// BenchmarkClassifyMedian judges one reply of middling length.
func BenchmarkClassifyMedian(b *testing.B) {
	r, err := Parse([]byte("550 5.1.1 <kim@example.net>: Recipient address rejected: User unknown in virtual mailbox table\r\n"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		Classify("rcpt", r, "mx1.example.net")
	}
}
