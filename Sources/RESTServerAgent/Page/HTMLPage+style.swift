extension HTMLPage {
    static let style = """
        :root { color-scheme: light dark; --ink: #17202b; --paper: #f3f5f8; --card: #fff; --line: #d5dce5;
          --soft: #55606f; --accent: #0a6b4b; --on-accent: #fff; --bad: #b3261e; --bad-paper: #fdecea;
          --uncertain: #7a4f00; --uncertain-paper: #fff3d6; --good-paper: #e3f4ec; --head: #10281f;
          --mono: ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --paper: #10141a; --card: #191f28;
          --line: #323c4a; --soft: #a3aebd; --accent: #4cc38a; --on-accent: #08150f; --bad: #ff9088;
          --bad-paper: #3a1715; --uncertain: #ffcc66; --uncertain-paper: #3a2c08; --good-paper: #12301f;
          --head: #0a1913; } }
        * { box-sizing: border-box; }
        body { margin: 0; background: var(--paper); color: var(--ink);
          font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
        .bar, main { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; }
        header { background: var(--head); color: #fff; }
        .bar { display: flex; justify-content: space-between; align-items: center; gap: 1rem; padding-block: 1rem; }
        h1 { font-size: 1.5rem; line-height: 1.2; margin: 0; letter-spacing: -.01em; }
        header p { margin: .1rem 0 0; color: #b9d3c7; font-size: .9rem; }
        h2 { font-size: 1.05rem; margin: 0 0 .7rem; } h2.part { margin: 2rem 0 .6rem; }
        p { margin: .5rem 0; } .soft { color: var(--soft); font-weight: 400; } .note { margin: 1rem .2rem; }
        #status { min-height: 1.5em; margin: .9rem .2rem; color: var(--soft); overflow-wrap: anywhere; }
        #status.bad { color: var(--bad); font-weight: 600; }
        .columns { display: grid; grid-template-columns: minmax(0, 2fr) minmax(0, 3fr); gap: 1rem; align-items: start; }
        @media (max-width: 50rem) { .columns { grid-template-columns: minmax(0, 1fr); } }
        section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.1rem; }
        .columns + section { margin-top: 1rem; }
        .row { display: flex; gap: .5rem; flex-wrap: wrap; align-items: center; margin: 0 0 .6rem; }
        .checks { column-gap: 1.5rem; } .checks button { margin-left: auto; }
        input[type=search], input:not([type]) { flex: 1 1 12rem; min-width: 0; font: .9rem var(--mono);
          padding: .5rem .6rem; min-height: 2.6rem; color: inherit; background: var(--paper);
          border: 1px solid var(--soft); border-radius: .4rem; }
        ::placeholder { color: var(--soft); opacity: 1; }
        input.short { flex: 0 1 11rem; }
        .check { display: inline-flex; gap: .5rem; align-items: center; min-height: 2.6rem; cursor: pointer; }
        .check input { width: 1.1rem; height: 1.1rem; accent-color: var(--accent); }
        button, .button { font: 600 .9rem/1 system-ui, "DejaVu Sans", sans-serif; padding: .6rem 1rem;
          white-space: nowrap; min-height: 2.6rem; border: 1px solid transparent; border-radius: .4rem; cursor: pointer;
          background: var(--accent); color: var(--on-accent); text-decoration: none; display: inline-flex;
          align-items: center; }
        button.quiet { background: transparent; color: var(--accent); border-color: var(--line); }
        button.danger { background: var(--bad); color: var(--card); }
        button:disabled { opacity: .55; cursor: progress; }
        :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
        .bar :focus-visible { outline-color: #fff; }
        ul { list-style: none; margin: 0; padding: 0; max-height: 26rem; overflow-y: auto;
          border-top: 1px solid var(--line); }
        li button { width: 100%; font: .85rem/1.35 var(--mono); text-align: left; background: transparent;
          color: inherit; border: 0; border-bottom: 1px solid var(--line); border-radius: 0;
          padding: .45rem .4rem; min-height: 2.2rem; overflow-wrap: anywhere; }
        li button:hover { background: var(--good-paper); } li button:focus-visible { outline-offset: -3px; }
        li button[aria-pressed=true] { box-shadow: inset .25rem 0 var(--accent); padding-left: .8rem; }
        .scroll { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-size: .9rem; }
        th, td { text-align: left; padding: .45rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top;
          overflow-wrap: anywhere; }
        th { color: var(--soft); font-weight: 600; white-space: nowrap; } .mono { font-family: var(--mono); }
        td.value { font-family: var(--mono); font-weight: 600; min-width: 6rem; }
        td.time { white-space: nowrap; color: var(--soft); }
        @media (max-width: 34rem) { thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px;
          overflow: hidden; } tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
          td { display: block; border: 0; padding: .1rem .2rem; } }
        .pill { display: inline-block; border-radius: 1rem; padding: .05rem .6rem; font-size: .82rem; font-weight: 600;
          background: var(--good-paper); color: var(--accent); }
        .pill.bad { background: var(--bad-paper); color: var(--bad); }
        .pill.uncertain { background: var(--uncertain-paper); color: var(--uncertain); }
        #written:empty { display: none; }
        details { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; margin: .4rem 0;
          padding: 0 .9rem; }
        summary { padding: .6rem 0; cursor: pointer; overflow-wrap: anywhere; }
        code, pre { font-family: var(--mono); font-size: .85rem; }
        pre { background: var(--paper); border: 1px solid var(--line); border-radius: .4rem; padding: .7rem .8rem;
          margin: .5rem 0 .9rem; white-space: pre-wrap; overflow-wrap: anywhere; }
        .verb { display: inline-block; font: 600 .75rem var(--mono); color: var(--on-accent);
          background: var(--accent); border-radius: .25rem; padding: .12rem .45rem; margin-right: .5rem; }
        """
}
