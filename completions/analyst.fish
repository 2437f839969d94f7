# Completion of analyst for fish. Made by `analyst completion fish`: do not edit.
function __analyst_at
    set -l at ''
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- "$at $word" ' --color' 'badge --format' 'badge --server' 'badge -f' 'demo --pace' 'desktop click --app' 'desktop click --by-path' 'desktop click --by-role' 'desktop click --confirm' 'desktop click --confirm-token' 'desktop click --timeout-ms' 'desktop click --title-contains' 'desktop click --value-contains' 'desktop dismiss-modal --app' 'desktop dismiss-modal --confirm' 'desktop dismiss-modal --confirm-token' 'desktop dismiss-modal --strategy' 'desktop dismiss-modal --timeout-ms' 'desktop dismiss-modal --title-contains' 'desktop doctor --workspace' 'desktop evidence list --last' 'desktop find --by-path' 'desktop find --by-role' 'desktop find --limit' 'desktop find --timeout-ms' 'desktop find --title-contains' 'desktop find --value-contains' 'desktop highlight --by-path' 'desktop highlight --by-role' 'desktop highlight --duration-ms' 'desktop highlight --timeout-ms' 'desktop highlight --title-contains' 'desktop highlight --value-contains' 'desktop hotkey --app' 'desktop hotkey --confirm' 'desktop hotkey --confirm-token' 'desktop hotkey --timeout-ms' 'desktop issue-confirm --method' 'desktop issue-confirm --params-file' 'desktop issue-confirm --params-json' 'desktop issue-confirm --ttl-ms' 'desktop list-modals --app' 'desktop list-modals --timeout-ms' 'desktop mcp --approval-timeout' 'desktop observe --max-depth' 'desktop observe --max-nodes' 'desktop observe --timeout-ms' 'desktop ping --workspace' 'desktop recipe run --approve' 'desktop rpc --method' 'desktop rpc --params-file' 'desktop rpc --params-json' 'desktop serve --allow' 'desktop serve --backend' 'desktop serve --confirm' 'desktop serve --script' 'desktop serve --workspace-root' 'desktop service install --backend' 'desktop service install --workspace-root' 'desktop session --idle-ms' 'desktop type-text --app' 'desktop type-text --by-path' 'desktop type-text --by-role' 'desktop type-text --confirm' 'desktop type-text --confirm-token' 'desktop type-text --text-file' 'desktop type-text --timeout-ms' 'desktop type-text --title-contains' 'desktop wait-until --by-path' 'desktop wait-until --by-role' 'desktop wait-until --poll-ms' 'desktop wait-until --timeout-ms' 'desktop wait-until --title-contains' 'desktop wait-until --value-contains' 'dispatch --id' 'dispatch --image' 'dispatch --image-alt' 'dispatch --json' 'dispatch --key' 'dispatch --message' 'dispatch --priority' 'dispatch --script' 'dispatch --socket' 'dispatch --status' 'dispatch --tag' 'dispatch --title' 'dispatch --url' 'dispatch --user' 'dispatch --wait-timeout' 'dispatch -m' 'dispatch -t' 'dispatch -u' 'doctor --server' 'doctor --socket' 'doctor --ws-url' 'gateway audit --config' 'gateway audit --data' 'gateway audit --limit' 'gateway audit --user' 'gateway audit -c' 'gateway devices --config' 'gateway devices --data' 'gateway devices -c' 'gateway health --socket' 'gateway invite --config' 'gateway invite --data' 'gateway invite --days' 'gateway invite --url' 'gateway invite -c' 'gateway revoke --config' 'gateway revoke --data' 'gateway revoke --device' 'gateway revoke --publisher' 'gateway revoke --token' 'gateway revoke --user' 'gateway revoke -c' 'gateway rotate-secret --config' 'gateway rotate-secret --data' 'gateway rotate-secret -c' 'gateway serve --config' 'gateway serve --data' 'gateway serve --dev-user' 'gateway serve --host' 'gateway serve --port' 'gateway serve --portal-host' 'gateway serve --portal-port' 'gateway serve --public-url' 'gateway serve --set' 'gateway serve --socket' 'gateway serve -c' 'gateway settings --config' 'gateway settings --set' 'gateway settings -c' 'gateway users --config' 'gateway users --connect' 'gateway users --data' 'gateway users --disable' 'gateway users --enable' 'gateway users -c' 'inbox --server' 'inbox --theme' 'inbox --ws-url' 'investigate --agent' 'investigate --place' 'investigate --server' 'list --limit' 'list --priority' 'list --script' 'list --server' 'list --since' 'list --tag' 'list -n' 'list -p' 'list -s' 'login --device-name' 'login --server' 'logout --server' 'mark --server' 'runner exec-as --group' 'runner install --python' 'runner install --scripts' 'runner install --socket' 'runner install --state' 'runner install --user' 'runner install --with' 'runner once --parallel' 'runner once --python' 'runner once --scripts' 'runner once --socket' 'runner once --state' 'runner once --user' 'runner overdue --scripts' 'runner overdue --socket' 'runner overdue --state' 'runner overdue --user' 'runner serve --parallel' 'runner serve --python' 'runner serve --scripts' 'runner serve --socket' 'runner serve --state' 'runner serve --user' 'scripts edit --scripts' 'scripts explain --scripts' 'scripts explain --state' 'scripts history --limit' 'scripts history --scripts' 'scripts history --state' 'scripts history -n' 'scripts list --scripts' 'scripts list --server' 'scripts list --state' 'scripts new --from' 'scripts new --scripts' 'scripts run --python' 'scripts run --scripts' 'scripts run --server' 'scripts run --socket' 'scripts run --state' 'scripts run --user' 'scripts test --python' 'scripts test --scripts' 'search --limit' 'search --priority' 'search --script' 'search --server' 'search --since' 'search --tag' 'search -n' 'search -p' 'search -s' 'service install --server' 'show --server' 'snooze --server' 'snooze --until' 'snooze -t' 'status --socket' 'status --user' 'status -u' 'telegram serve --bot-socket' 'telegram serve --config' 'telegram serve --data' 'telegram serve --socket' 'telegram serve -c' 'telegram status --config' 'telegram status --data' 'telegram status --limit' 'telegram status -c' 'telegram status -n' 'token inspect --server' 'token issue --config' 'token issue --data' 'token issue --days' 'token issue --device' 'token issue --publisher' 'token issue --to' 'token issue -c' 'token publishers --config' 'token publishers --data' 'token publishers -c' 'token refresh --server' 'watch --limit' 'watch --priority' 'watch --script' 'watch --server' 'watch --since' 'watch --tag' 'watch --ws-url' 'watch -n' 'watch -p' 'watch -s' 'whoami --server'
            set skip 1
        else if contains -- "$at $word" ' badge' ' completion' ' config' 'config get' 'config list' 'config path' 'config set' 'config unset' ' demo' ' desktop' 'desktop abort' 'desktop abort-demo' 'desktop approvals' 'desktop approvals approve' 'desktop approvals deny' 'desktop approvals list' 'desktop click' 'desktop dismiss-modal' 'desktop doctor' 'desktop evidence' 'desktop evidence list' 'desktop evidence open' 'desktop evidence show' 'desktop evidence verify' 'desktop find' 'desktop highlight' 'desktop host' 'desktop hotkey' 'desktop issue-confirm' 'desktop list-modals' 'desktop mcp' 'desktop observe' 'desktop panic' 'desktop ping' 'desktop recipe' 'desktop recipe list' 'desktop recipe run' 'desktop reload' 'desktop reset' 'desktop rpc' 'desktop serve' 'desktop service' 'desktop service install' 'desktop service status' 'desktop service uninstall' 'desktop session' 'desktop start' 'desktop status' 'desktop stop' 'desktop type-text' 'desktop wait-until' ' dispatch' ' doctor' ' gateway' 'gateway audit' 'gateway devices' 'gateway health' 'gateway invite' 'gateway revoke' 'gateway rotate-secret' 'gateway serve' 'gateway settings' 'gateway users' ' inbox' ' investigate' ' list' ' login' ' logout' ' mark' ' runner' 'runner exec-as' 'runner install' 'runner once' 'runner overdue' 'runner serve' ' scripts' 'scripts edit' 'scripts explain' 'scripts history' 'scripts list' 'scripts new' 'scripts run' 'scripts test' ' search' ' server' 'server forget' 'server list' 'server use' ' service' 'service install' 'service status' 'service uninstall' ' show' ' snooze' ' status' ' telegram' 'telegram serve' 'telegram status' ' token' 'token inspect' 'token issue' 'token publishers' 'token refresh' ' watch' ' whoami'
            set at (string trim -- "$at $word")
        end
    end
    test "$at" = "$argv[1]"
end
function __analyst_words
    set -l typed (commandline -ct | string replace -r '^-[^=]*=' '')
    set -l before (commandline -opc)
    analyst __complete $argv[1] "$typed" "$before[-1]" 2>/dev/null
end
complete -c analyst -f
complete -c analyst -n "__analyst_at ''" -a badge -d 'Print the unread count and the newest unread title, from this machine…'
complete -c analyst -n "__analyst_at ''" -a completion -d 'Print the completion script of a shell, or the manual page; commands,…'
complete -c analyst -n "__analyst_at ''" -a config -d 'Show and change settings'
complete -c analyst -n "__analyst_at ''" -a demo -d 'Try everything out - start a gateway, let sample scripts look at real…'
complete -c analyst -n "__analyst_at ''" -a desktop -d 'Guarded desktop bridge for coding agents - look, find, act with appro…'
complete -c analyst -n "__analyst_at ''" -a dispatch -d 'Send a notification to a user; ends with 0 once it is stored'
complete -c analyst -n "__analyst_at ''" -a doctor -d 'Check settings, folders, local inbox, token, keyring, link handler, t…'
complete -c analyst -n "__analyst_at ''" -a gateway -d 'Serve and administrate the gateway and the portal'
complete -c analyst -n "__analyst_at ''" -a inbox -d 'Open the live inbox - read, search, snooze and archive alerts, look a…'
complete -c analyst -n "__analyst_at ''" -a investigate -d 'Start a coding agent on a notification, in a folder with everything t…'
complete -c analyst -n "__analyst_at ''" -a list -d 'List notifications, newest first'
complete -c analyst -n "__analyst_at ''" -a login -d 'Sign in to a server and keep its token in the keyring'
complete -c analyst -n "__analyst_at ''" -a logout -d 'Forget the token of a server on this machine'
complete -c analyst -n "__analyst_at ''" -a mark -d 'Mark notifications - read, unread, archived, unarchived or acknowledg…'
complete -c analyst -n "__analyst_at ''" -a runner -d 'Run the notification scripts of this account and hand their alerts to…'
complete -c analyst -n "__analyst_at ''" -a scripts -d 'List, run, test, create and explain notification scripts'
complete -c analyst -n "__analyst_at ''" -a search -d 'Search titles, messages and script names, newest first; archived and…'
complete -c analyst -n "__analyst_at ''" -a server -d 'List and choose servers'
complete -c analyst -n "__analyst_at ''" -a service -d 'Keep a background watch running at login'
complete -c analyst -n "__analyst_at ''" -a show -d 'Show one notification whole'
complete -c analyst -n "__analyst_at ''" -a snooze -d 'Put notifications aside until later; then they are in the inbox again…'
complete -c analyst -n "__analyst_at ''" -a status -d 'Tell what became of a notification - stored, sent, acknowledged, read…'
complete -c analyst -n "__analyst_at ''" -a telegram -d 'Bring alerts to Telegram, and their buttons back'
complete -c analyst -n "__analyst_at ''" -a token -d 'Issue, inspect and refresh tokens'
complete -c analyst -n "__analyst_at ''" -a watch -d 'Print notifications as they arrive; what came while you were away is…'
complete -c analyst -n "__analyst_at ''" -a whoami -d 'Tell who is signed in, where the token lies, how long it is valid, an…'
complete -c analyst -n "__analyst_at ''" -l version -s V -d 'Print the version and exit'
complete -c analyst -n "__analyst_at ''" -l color -d 'auto, always or never' -x -a 'auto always never'
complete -c analyst -n "__analyst_at ''" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'badge'" -l format -s f -d 'One of plain, json, tmux, waybar, xbar, polybar' -x -a 'plain json tmux waybar xbar polybar'
complete -c analyst -n "__analyst_at 'badge'" -l server -d 'Whose inbox; else ANALYST_SERVER, else the server used last' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'badge'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'completion'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'completion'" -a 'bash zsh fish man'
complete -c analyst -n "__analyst_at 'config'" -a get -d 'Print what one setting is now'
complete -c analyst -n "__analyst_at 'config'" -a list -d 'Print every setting and what it is now'
complete -c analyst -n "__analyst_at 'config'" -a path -d 'Print the path of the settings file, whether it exists or not'
complete -c analyst -n "__analyst_at 'config'" -a set -d 'Change one setting in the file; comments and order stay'
complete -c analyst -n "__analyst_at 'config'" -a unset -d 'Remove one setting from the file, so that its default holds'
complete -c analyst -n "__analyst_at 'config'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'config get'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'config get'" -a '(__analyst_words settings)'
complete -c analyst -n "__analyst_at 'config list'" -l show-origin -d 'Tell where each value was said'
complete -c analyst -n "__analyst_at 'config list'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'config list'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'config path'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'config set'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'config set'" -a '(__analyst_words assignments)'
complete -c analyst -n "__analyst_at 'config unset'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'config unset'" -a '(__analyst_words settings)'
complete -c analyst -n "__analyst_at 'demo'" -l pace -d 'Seconds between two alerts while the inbox is open' -x
complete -c analyst -n "__analyst_at 'demo'" -l once -d 'Run the chain once and print the inbox, as without a terminal'
complete -c analyst -n "__analyst_at 'demo'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop'" -a abort -d 'Stop a request that is still active'
complete -c analyst -n "__analyst_at 'desktop'" -a abort-demo -d 'Check from end to end that a wait can be aborted; exit 1 when it cann…'
complete -c analyst -n "__analyst_at 'desktop'" -a approvals -d 'List and decide what clients want to do'
complete -c analyst -n "__analyst_at 'desktop'" -a click -d 'Press one element'
complete -c analyst -n "__analyst_at 'desktop'" -a dismiss-modal -d 'Dismiss the frontmost dialog'
complete -c analyst -n "__analyst_at 'desktop'" -a doctor -d 'Check permissions and settings of the host'
complete -c analyst -n "__analyst_at 'desktop'" -a evidence -d 'Look at what executions left behind'
complete -c analyst -n "__analyst_at 'desktop'" -a find -d 'Find elements of the frontmost application'
complete -c analyst -n "__analyst_at 'desktop'" -a highlight -d 'Draw a border around the element that a click would press'
complete -c analyst -n "__analyst_at 'desktop'" -a host -d 'Open the operator’s screen - permissions, approvals, recent execution…'
complete -c analyst -n "__analyst_at 'desktop'" -a hotkey -d 'Send one chord to the frontmost application'
complete -c analyst -n "__analyst_at 'desktop'" -a issue-confirm -d 'Ask for a confirmation token for one action, with the params of its c…'
complete -c analyst -n "__analyst_at 'desktop'" -a list-modals -d 'List the dialogs of the frontmost application'
complete -c analyst -n "__analyst_at 'desktop'" -a mcp -d 'Offer the desktop to a coding agent, as tools of the Model Context Pr…'
complete -c analyst -n "__analyst_at 'desktop'" -a observe -d 'Write a picture and the tree of the desktop to the workspace'
complete -c analyst -n "__analyst_at 'desktop'" -a panic -d 'Stop everything at once'
complete -c analyst -n "__analyst_at 'desktop'" -a ping -d 'Tell whether the host runs, and what it may do'
complete -c analyst -n "__analyst_at 'desktop'" -a recipe -d 'Run recipes - checked lists of calls'
complete -c analyst -n "__analyst_at 'desktop'" -a reload -d 'Read settings and allowlist again and tell what changed'
complete -c analyst -n "__analyst_at 'desktop'" -a reset -d 'End a panic and let the host take requests again'
complete -c analyst -n "__analyst_at 'desktop'" -a rpc -d 'Send a request as it is; only the workspace is put into its meta'
complete -c analyst -n "__analyst_at 'desktop'" -a serve -d 'Serve the desktop bridge in the foreground; Ctrl-C ends it'
complete -c analyst -n "__analyst_at 'desktop'" -a service -d 'Start the desktop host at login'
complete -c analyst -n "__analyst_at 'desktop'" -a session -d 'Answer requests from standard input, a JSON object a line, over one c…'
complete -c analyst -n "__analyst_at 'desktop'" -a start -d 'Let the host take requests, also after a stop'
complete -c analyst -n "__analyst_at 'desktop'" -a status -d 'Tell the state of the host, its permissions, and what waits for a dec…'
complete -c analyst -n "__analyst_at 'desktop'" -a stop -d 'Let running requests end and take no more; the process stays'
complete -c analyst -n "__analyst_at 'desktop'" -a type-text -d 'Type text into an element, or into the application named by --app'
complete -c analyst -n "__analyst_at 'desktop'" -a wait-until -d 'Wait until an element is there'
complete -c analyst -n "__analyst_at 'desktop'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop abort'" -l pretty -d 'Indent the JSON'
complete -c analyst -n "__analyst_at 'desktop abort'" -l quiet -s q -d 'Print nothing; the exit code tells'
complete -c analyst -n "__analyst_at 'desktop abort'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop abort-demo'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop approvals'" -a approve -d 'Let it be done, once'
complete -c analyst -n "__analyst_at 'desktop approvals'" -a deny -d 'Refuse it'
complete -c analyst -n "__analyst_at 'desktop approvals'" -a list -d 'List what clients want to do'
complete -c analyst -n "__analyst_at 'desktop approvals'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop approvals approve'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop approvals deny'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop approvals list'" -l json -d 'Print one JSON array'
complete -c analyst -n "__analyst_at 'desktop approvals list'" -l texts -d 'Show what would be typed'
complete -c analyst -n "__analyst_at 'desktop approvals list'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop click'" -l by-role -d 'Role of the element, such as AXButton' -x
complete -c analyst -n "__analyst_at 'desktop click'" -l title-contains -d 'Part of the element’s title' -x
complete -c analyst -n "__analyst_at 'desktop click'" -l value-contains -d 'Part of the element’s value' -x
complete -c analyst -n "__analyst_at 'desktop click'" -l by-path -d 'Child indices from the root, such as 0,2,1' -x
complete -c analyst -n "__analyst_at 'desktop click'" -l pick-best -d 'Take the best of several matches instead of refusing'
complete -c analyst -n "__analyst_at 'desktop click'" -l app -d 'The application that must be frontmost' -x
complete -c analyst -n "__analyst_at 'desktop click'" -l confirm-token -d 'A token of desktop.confirm.issue' -x
complete -c analyst -n "__analyst_at 'desktop click'" -l confirm -d 'A confirmation phrase, where the operator allows phrases' -x
complete -c analyst -n "__analyst_at 'desktop click'" -l ask -d 'Ask the operator, wait for the decision, then act'
complete -c analyst -n "__analyst_at 'desktop click'" -l timeout-ms -d 'Deadline of the request' -x
complete -c analyst -n "__analyst_at 'desktop click'" -l pretty -d 'Indent the JSON'
complete -c analyst -n "__analyst_at 'desktop click'" -l quiet -s q -d 'Print nothing; the exit code tells'
complete -c analyst -n "__analyst_at 'desktop click'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop dismiss-modal'" -l strategy -d 'defaultButton, cancelButton, byTitle or esc' -x
complete -c analyst -n "__analyst_at 'desktop dismiss-modal'" -l title-contains -d 'Part of the element’s title' -x
complete -c analyst -n "__analyst_at 'desktop dismiss-modal'" -l app -d 'The application that must be frontmost' -x
complete -c analyst -n "__analyst_at 'desktop dismiss-modal'" -l confirm-token -d 'A token of desktop.confirm.issue' -x
complete -c analyst -n "__analyst_at 'desktop dismiss-modal'" -l confirm -d 'A confirmation phrase, where the operator allows phrases' -x
complete -c analyst -n "__analyst_at 'desktop dismiss-modal'" -l ask -d 'Ask the operator, wait for the decision, then act'
complete -c analyst -n "__analyst_at 'desktop dismiss-modal'" -l timeout-ms -d 'Deadline of the request' -x
complete -c analyst -n "__analyst_at 'desktop dismiss-modal'" -l pretty -d 'Indent the JSON'
complete -c analyst -n "__analyst_at 'desktop dismiss-modal'" -l quiet -s q -d 'Print nothing; the exit code tells'
complete -c analyst -n "__analyst_at 'desktop dismiss-modal'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop doctor'" -l workspace -d 'Also check this workspace’s allowlist' -r -F
complete -c analyst -n "__analyst_at 'desktop doctor'" -l pretty -d 'Indent the JSON'
complete -c analyst -n "__analyst_at 'desktop doctor'" -l quiet -s q -d 'Print nothing; the exit code tells'
complete -c analyst -n "__analyst_at 'desktop doctor'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop evidence'" -a list -d 'List executions, newest first'
complete -c analyst -n "__analyst_at 'desktop evidence'" -a open -d 'Open the latest execution’s folder in the file manager, and print its…'
complete -c analyst -n "__analyst_at 'desktop evidence'" -a show -d 'Show one execution - its files, events and result'
complete -c analyst -n "__analyst_at 'desktop evidence'" -a verify -d 'Check that no event or file was changed, removed or added; exit 1 whe…'
complete -c analyst -n "__analyst_at 'desktop evidence'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop evidence list'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'desktop evidence list'" -l last -d 'How many' -x
complete -c analyst -n "__analyst_at 'desktop evidence list'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop evidence list'" -F
complete -c analyst -n "__analyst_at 'desktop evidence open'" -l choose -d 'Open the folder of all executions'
complete -c analyst -n "__analyst_at 'desktop evidence open'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop evidence open'" -F
complete -c analyst -n "__analyst_at 'desktop evidence show'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop evidence show'" -F
complete -c analyst -n "__analyst_at 'desktop evidence verify'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop evidence verify'" -F
complete -c analyst -n "__analyst_at 'desktop find'" -l by-role -d 'Role of the element, such as AXButton' -x
complete -c analyst -n "__analyst_at 'desktop find'" -l title-contains -d 'Part of the element’s title' -x
complete -c analyst -n "__analyst_at 'desktop find'" -l value-contains -d 'Part of the element’s value' -x
complete -c analyst -n "__analyst_at 'desktop find'" -l by-path -d 'Child indices from the root, such as 0,2,1' -x
complete -c analyst -n "__analyst_at 'desktop find'" -l limit -d 'How many elements are listed' -x
complete -c analyst -n "__analyst_at 'desktop find'" -l timeout-ms -d 'Deadline of the request' -x
complete -c analyst -n "__analyst_at 'desktop find'" -l pretty -d 'Indent the JSON'
complete -c analyst -n "__analyst_at 'desktop find'" -l quiet -s q -d 'Print nothing; the exit code tells'
complete -c analyst -n "__analyst_at 'desktop find'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop highlight'" -l by-role -d 'Role of the element, such as AXButton' -x
complete -c analyst -n "__analyst_at 'desktop highlight'" -l title-contains -d 'Part of the element’s title' -x
complete -c analyst -n "__analyst_at 'desktop highlight'" -l value-contains -d 'Part of the element’s value' -x
complete -c analyst -n "__analyst_at 'desktop highlight'" -l by-path -d 'Child indices from the root, such as 0,2,1' -x
complete -c analyst -n "__analyst_at 'desktop highlight'" -l duration-ms -d 'How long the border is shown' -x
complete -c analyst -n "__analyst_at 'desktop highlight'" -l timeout-ms -d 'Deadline of the request' -x
complete -c analyst -n "__analyst_at 'desktop highlight'" -l pretty -d 'Indent the JSON'
complete -c analyst -n "__analyst_at 'desktop highlight'" -l quiet -s q -d 'Print nothing; the exit code tells'
complete -c analyst -n "__analyst_at 'desktop highlight'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop host'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop hotkey'" -l app -d 'The application that must be frontmost' -x
complete -c analyst -n "__analyst_at 'desktop hotkey'" -l confirm-token -d 'A token of desktop.confirm.issue' -x
complete -c analyst -n "__analyst_at 'desktop hotkey'" -l confirm -d 'A confirmation phrase, where the operator allows phrases' -x
complete -c analyst -n "__analyst_at 'desktop hotkey'" -l ask -d 'Ask the operator, wait for the decision, then act'
complete -c analyst -n "__analyst_at 'desktop hotkey'" -l timeout-ms -d 'Deadline of the request' -x
complete -c analyst -n "__analyst_at 'desktop hotkey'" -l pretty -d 'Indent the JSON'
complete -c analyst -n "__analyst_at 'desktop hotkey'" -l quiet -s q -d 'Print nothing; the exit code tells'
complete -c analyst -n "__analyst_at 'desktop hotkey'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop issue-confirm'" -l method -d 'The method to confirm, such as desktop.click' -x
complete -c analyst -n "__analyst_at 'desktop issue-confirm'" -l params-json -d 'Its params, as JSON' -x
complete -c analyst -n "__analyst_at 'desktop issue-confirm'" -l params-file -d 'Read the params from a file, or from - (standard input)' -r -F
complete -c analyst -n "__analyst_at 'desktop issue-confirm'" -l ttl-ms -d 'How long the token may be used' -x
complete -c analyst -n "__analyst_at 'desktop issue-confirm'" -l wait -d 'Wait for the operator’s decision and print the token'
complete -c analyst -n "__analyst_at 'desktop issue-confirm'" -l pretty -d 'Indent the JSON'
complete -c analyst -n "__analyst_at 'desktop issue-confirm'" -l quiet -s q -d 'Print nothing; the exit code tells'
complete -c analyst -n "__analyst_at 'desktop issue-confirm'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop list-modals'" -l app -d 'The application that must be frontmost' -x
complete -c analyst -n "__analyst_at 'desktop list-modals'" -l timeout-ms -d 'Deadline of the request' -x
complete -c analyst -n "__analyst_at 'desktop list-modals'" -l pretty -d 'Indent the JSON'
complete -c analyst -n "__analyst_at 'desktop list-modals'" -l quiet -s q -d 'Print nothing; the exit code tells'
complete -c analyst -n "__analyst_at 'desktop list-modals'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop mcp'" -l approval-timeout -d 'How long a person may take to decide, in seconds' -x
complete -c analyst -n "__analyst_at 'desktop mcp'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop mcp'" -F
complete -c analyst -n "__analyst_at 'desktop observe'" -l timeout-ms -d 'Deadline of the request' -x
complete -c analyst -n "__analyst_at 'desktop observe'" -l no-screenshot -d 'Take no picture'
complete -c analyst -n "__analyst_at 'desktop observe'" -l no-tree -d 'Read no tree'
complete -c analyst -n "__analyst_at 'desktop observe'" -l max-depth -d 'How deep the tree is read' -x
complete -c analyst -n "__analyst_at 'desktop observe'" -l max-nodes -d 'How many elements are read' -x
complete -c analyst -n "__analyst_at 'desktop observe'" -l pretty -d 'Indent the JSON'
complete -c analyst -n "__analyst_at 'desktop observe'" -l quiet -s q -d 'Print nothing; the exit code tells'
complete -c analyst -n "__analyst_at 'desktop observe'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop panic'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop ping'" -l workspace -d 'Also check this workspace’s allowlist' -r -F
complete -c analyst -n "__analyst_at 'desktop ping'" -l pretty -d 'Indent the JSON'
complete -c analyst -n "__analyst_at 'desktop ping'" -l quiet -s q -d 'Print nothing; the exit code tells'
complete -c analyst -n "__analyst_at 'desktop ping'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop recipe'" -a list -d 'List the recipes that ship with the product'
complete -c analyst -n "__analyst_at 'desktop recipe'" -a run -d 'Run a recipe; exit 1 when a step does not go as written'
complete -c analyst -n "__analyst_at 'desktop recipe'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop recipe list'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop recipe run'" -l dry-run -d 'Check it and print the plan, and send nothing'
complete -c analyst -n "__analyst_at 'desktop recipe run'" -l approve -d 'run - one approval for all steps known before; step - one for each' -x
complete -c analyst -n "__analyst_at 'desktop recipe run'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop recipe run'" -F
complete -c analyst -n "__analyst_at 'desktop reload'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop reset'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop rpc'" -l method -d 'Any method of the host' -x
complete -c analyst -n "__analyst_at 'desktop rpc'" -l params-json -d 'Its params, as JSON' -x
complete -c analyst -n "__analyst_at 'desktop rpc'" -l params-file -d 'Read the params from a file, or from - (standard input)' -r -F
complete -c analyst -n "__analyst_at 'desktop rpc'" -l pretty -d 'Indent the JSON'
complete -c analyst -n "__analyst_at 'desktop rpc'" -l quiet -s q -d 'Print nothing; the exit code tells'
complete -c analyst -n "__analyst_at 'desktop rpc'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop serve'" -l backend -d 'linux or fake' -x
complete -c analyst -n "__analyst_at 'desktop serve'" -l script -d 'What the fake desktop looks like; a demonstration unless given' -x -a '(__analyst_words scripts)'
complete -c analyst -n "__analyst_at 'desktop serve'" -l workspace-root -d 'Where evidence may be written; may be repeated' -r -F
complete -c analyst -n "__analyst_at 'desktop serve'" -l confirm -d 'operator - a person approves; self - callers approve themselves (test…' -x
complete -c analyst -n "__analyst_at 'desktop serve'" -l allow -d 'A rule for callers, instead of the operator’s allowlist; may be repea…' -x
complete -c analyst -n "__analyst_at 'desktop serve'" -l stopped -d 'Take no requests until the operator says start'
complete -c analyst -n "__analyst_at 'desktop serve'" -l verbose -s v -d 'Tell on stderr what the host does'
complete -c analyst -n "__analyst_at 'desktop serve'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop service'" -a install -d 'Write the service file and start the host'
complete -c analyst -n "__analyst_at 'desktop service'" -a status -d 'Tell whether the service is installed and runs; exit 1 when it does n…'
complete -c analyst -n "__analyst_at 'desktop service'" -a uninstall -d 'Stop the host and remove the service file'
complete -c analyst -n "__analyst_at 'desktop service'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop service install'" -l backend -d 'linux or fake' -x
complete -c analyst -n "__analyst_at 'desktop service install'" -l workspace-root -d 'Where evidence may be written' -r -F
complete -c analyst -n "__analyst_at 'desktop service install'" -l test -d 'With test hooks; only for the fake backend'
complete -c analyst -n "__analyst_at 'desktop service install'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop service status'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop service uninstall'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop session'" -l idle-ms -d 'End after so long without input and work' -x
complete -c analyst -n "__analyst_at 'desktop session'" -l raw -d 'Plain JSON-RPC lines, without the wrapper'
complete -c analyst -n "__analyst_at 'desktop session'" -l multi-workspace -d 'Let lines name other workspaces'
complete -c analyst -n "__analyst_at 'desktop session'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop start'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop status'" -l json -d 'Print one JSON object'
complete -c analyst -n "__analyst_at 'desktop status'" -l pretty -d 'Indent the JSON'
complete -c analyst -n "__analyst_at 'desktop status'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop stop'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop type-text'" -l text-stdin -d 'Read the text from standard input'
complete -c analyst -n "__analyst_at 'desktop type-text'" -l text-file -d 'Read the text from a file' -r -F
complete -c analyst -n "__analyst_at 'desktop type-text'" -l by-role -d 'Role of the element, such as AXButton' -x
complete -c analyst -n "__analyst_at 'desktop type-text'" -l title-contains -d 'Part of the element’s title' -x
complete -c analyst -n "__analyst_at 'desktop type-text'" -l by-path -d 'Child indices from the root, such as 0,2,1' -x
complete -c analyst -n "__analyst_at 'desktop type-text'" -l pick-best -d 'Take the best of several matches instead of refusing'
complete -c analyst -n "__analyst_at 'desktop type-text'" -l clear-before -d 'Empty the element first'
complete -c analyst -n "__analyst_at 'desktop type-text'" -l allow-newlines -d 'Let newlines through; they submit forms'
complete -c analyst -n "__analyst_at 'desktop type-text'" -l allow-secure -d 'Let it go into a password field'
complete -c analyst -n "__analyst_at 'desktop type-text'" -l app -d 'The application that must be frontmost' -x
complete -c analyst -n "__analyst_at 'desktop type-text'" -l confirm-token -d 'A token of desktop.confirm.issue' -x
complete -c analyst -n "__analyst_at 'desktop type-text'" -l confirm -d 'A confirmation phrase, where the operator allows phrases' -x
complete -c analyst -n "__analyst_at 'desktop type-text'" -l ask -d 'Ask the operator, wait for the decision, then act'
complete -c analyst -n "__analyst_at 'desktop type-text'" -l timeout-ms -d 'Deadline of the request' -x
complete -c analyst -n "__analyst_at 'desktop type-text'" -l pretty -d 'Indent the JSON'
complete -c analyst -n "__analyst_at 'desktop type-text'" -l quiet -s q -d 'Print nothing; the exit code tells'
complete -c analyst -n "__analyst_at 'desktop type-text'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'desktop wait-until'" -l by-role -d 'Role of the element, such as AXButton' -x
complete -c analyst -n "__analyst_at 'desktop wait-until'" -l title-contains -d 'Part of the element’s title' -x
complete -c analyst -n "__analyst_at 'desktop wait-until'" -l value-contains -d 'Part of the element’s value' -x
complete -c analyst -n "__analyst_at 'desktop wait-until'" -l by-path -d 'Child indices from the root, such as 0,2,1' -x
complete -c analyst -n "__analyst_at 'desktop wait-until'" -l gone -d 'Wait until it is gone instead of there'
complete -c analyst -n "__analyst_at 'desktop wait-until'" -l timeout-ms -d 'How long to wait' -x
complete -c analyst -n "__analyst_at 'desktop wait-until'" -l poll-ms -d 'How often to look when nothing wakes the host' -x
complete -c analyst -n "__analyst_at 'desktop wait-until'" -l ignore-modals -d 'Go on when a modal appears'
complete -c analyst -n "__analyst_at 'desktop wait-until'" -l pretty -d 'Indent the JSON'
complete -c analyst -n "__analyst_at 'desktop wait-until'" -l quiet -s q -d 'Print nothing; the exit code tells'
complete -c analyst -n "__analyst_at 'desktop wait-until'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'dispatch'" -l user -s u -d 'Who gets it; repeat for several' -x -a '(__analyst_words users)'
complete -c analyst -n "__analyst_at 'dispatch'" -l title -s t -d 'The line that lists show' -x
complete -c analyst -n "__analyst_at 'dispatch'" -l message -s m -d 'Text; - reads it from standard input' -x
complete -c analyst -n "__analyst_at 'dispatch'" -l image -d 'A chart (PNG or JPEG) that the gateway can read' -r -F
complete -c analyst -n "__analyst_at 'dispatch'" -l image-alt -d 'A sentence for those who cannot see the chart' -x
complete -c analyst -n "__analyst_at 'dispatch'" -l script -d 'The script that it comes from' -x
complete -c analyst -n "__analyst_at 'dispatch'" -l priority -d 'One of low, normal, high, critical' -x -a 'low normal high critical'
complete -c analyst -n "__analyst_at 'dispatch'" -l tag -d 'A tag; may be repeated' -x
complete -c analyst -n "__analyst_at 'dispatch'" -l key -d 'Groups repeats of the same alert' -x
complete -c analyst -n "__analyst_at 'dispatch'" -l status -d 'firing or resolved' -x
complete -c analyst -n "__analyst_at 'dispatch'" -l url -d 'A page that tells more' -x
complete -c analyst -n "__analyst_at 'dispatch'" -l id -d 'Makes a repeated call harmless; made by the gateway unless given' -x
complete -c analyst -n "__analyst_at 'dispatch'" -l json -d 'The whole notification as JSON; - reads standard input' -r -F
complete -c analyst -n "__analyst_at 'dispatch'" -l wait -d 'Wait until every known device has it, and tell per device'
complete -c analyst -n "__analyst_at 'dispatch'" -l wait-timeout -d 'How long --wait waits' -x
complete -c analyst -n "__analyst_at 'dispatch'" -l socket -d 'Dispatch socket of the gateway' -r -F
complete -c analyst -n "__analyst_at 'dispatch'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'doctor'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'doctor'" -l offline -d 'Only what needs no network'
complete -c analyst -n "__analyst_at 'doctor'" -l not-on-server -l on-server -d 'Check the gateway’s parts on this machine; default - if it is here'
complete -c analyst -n "__analyst_at 'doctor'" -l socket -d 'Dispatch socket of the gateway' -r -F
complete -c analyst -n "__analyst_at 'doctor'" -l notify -d 'Also show a notification, to see whether it is seen'
complete -c analyst -n "__analyst_at 'doctor'" -l server -d 'Whose inbox; else ANALYST_SERVER, else the server used last' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'doctor'" -l ws-url -d 'A gateway without a portal; else ANALYST_WS_URL' -x
complete -c analyst -n "__analyst_at 'doctor'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'gateway'" -a audit -d 'Tell who signed in, linked, revoked and dispatched from afar, and fro…'
complete -c analyst -n "__analyst_at 'gateway'" -a devices -d 'List the devices that receive notifications, and those that were revo…'
complete -c analyst -n "__analyst_at 'gateway'" -a health -d 'Ask the gateway of this machine how it is and who is connected'
complete -c analyst -n "__analyst_at 'gateway'" -a invite -d 'Make a one-time link with which a person signs in to the portal'
complete -c analyst -n "__analyst_at 'gateway'" -a revoke -d 'End access at once - live sockets close within a second, replay, refr…'
complete -c analyst -n "__analyst_at 'gateway'" -a rotate-secret -d 'Change the secret that signs tokens; those that are out stay valid wh…'
complete -c analyst -n "__analyst_at 'gateway'" -a serve -d 'Serve WebSocket clients, the dispatch socket and the portal, until SI…'
complete -c analyst -n "__analyst_at 'gateway'" -a settings -d 'List every setting - its value now, where that comes from, its enviro…'
complete -c analyst -n "__analyst_at 'gateway'" -a users -d 'List the people who may use this gateway; shut out, let in, or connec…'
complete -c analyst -n "__analyst_at 'gateway'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'gateway audit'" -l user -d 'Only what is about this person' -x -a '(__analyst_words users)'
complete -c analyst -n "__analyst_at 'gateway audit'" -l limit -d 'How many lines, newest first' -x
complete -c analyst -n "__analyst_at 'gateway audit'" -l config -s c -d 'Settings file of the gateway (TOML)' -r -F
complete -c analyst -n "__analyst_at 'gateway audit'" -l data -d 'Data folder of the gateway - log, images, accounts' -r -F
complete -c analyst -n "__analyst_at 'gateway audit'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'gateway audit'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'gateway devices'" -l config -s c -d 'Settings file of the gateway (TOML)' -r -F
complete -c analyst -n "__analyst_at 'gateway devices'" -l data -d 'Data folder of the gateway - log, images, accounts' -r -F
complete -c analyst -n "__analyst_at 'gateway devices'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'gateway devices'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'gateway devices'" -a '(__analyst_words users)'
complete -c analyst -n "__analyst_at 'gateway health'" -l socket -d 'Dispatch socket of the gateway' -r -F
complete -c analyst -n "__analyst_at 'gateway health'" -l json -d 'Print one JSON object'
complete -c analyst -n "__analyst_at 'gateway health'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'gateway invite'" -l days -d 'How long the link can be used' -x
complete -c analyst -n "__analyst_at 'gateway invite'" -l url -d 'Address of the portal, if it is not the configured one' -x
complete -c analyst -n "__analyst_at 'gateway invite'" -l config -s c -d 'Settings file of the gateway (TOML)' -r -F
complete -c analyst -n "__analyst_at 'gateway invite'" -l data -d 'Data folder of the gateway - log, images, accounts' -r -F
complete -c analyst -n "__analyst_at 'gateway invite'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'gateway invite'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'gateway invite'" -a '(__analyst_words users)'
complete -c analyst -n "__analyst_at 'gateway revoke'" -l user -d 'Everything of this person - all devices, tokens and sessions' -x -a '(__analyst_words users)'
complete -c analyst -n "__analyst_at 'gateway revoke'" -l device -d 'One device (see - analyst gateway devices)' -x
complete -c analyst -n "__analyst_at 'gateway revoke'" -l token -d 'One token, by its jti (see - analyst token inspect)' -x
complete -c analyst -n "__analyst_at 'gateway revoke'" -l publisher -d 'One remote publisher’s token' -x
complete -c analyst -n "__analyst_at 'gateway revoke'" -l config -s c -d 'Settings file of the gateway (TOML)' -r -F
complete -c analyst -n "__analyst_at 'gateway revoke'" -l data -d 'Data folder of the gateway - log, images, accounts' -r -F
complete -c analyst -n "__analyst_at 'gateway revoke'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'gateway rotate-secret'" -l drop-old -d 'The old one has leaked - everybody has to sign in again'
complete -c analyst -n "__analyst_at 'gateway rotate-secret'" -l config -s c -d 'Settings file of the gateway (TOML)' -r -F
complete -c analyst -n "__analyst_at 'gateway rotate-secret'" -l data -d 'Data folder of the gateway - log, images, accounts' -r -F
complete -c analyst -n "__analyst_at 'gateway rotate-secret'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'gateway serve'" -l config -s c -d 'Settings file of the gateway (TOML)' -r -F
complete -c analyst -n "__analyst_at 'gateway serve'" -l host -d 'Address of the WebSocket listener; 127.0.0.1 unless set' -x
complete -c analyst -n "__analyst_at 'gateway serve'" -l port -d 'Its port; 8765 unless set, 0 for any free one' -x
complete -c analyst -n "__analyst_at 'gateway serve'" -l portal-host -d 'Address of the portal; 127.0.0.1 unless set' -x
complete -c analyst -n "__analyst_at 'gateway serve'" -l portal-port -d 'Its port; 8766 unless set, 0 for any free one' -x
complete -c analyst -n "__analyst_at 'gateway serve'" -l no-portal -l portal -d 'Serve the portal, or not'
complete -c analyst -n "__analyst_at 'gateway serve'" -l public-url -d 'How browsers reach the portal, for instance https -//alerts.example.c…' -x
complete -c analyst -n "__analyst_at 'gateway serve'" -l dev-user -d 'Let everybody on this machine in as this user; loopback only' -x
complete -c analyst -n "__analyst_at 'gateway serve'" -l no-telegram -l telegram -d 'Run the Telegram bot, or not'
complete -c analyst -n "__analyst_at 'gateway serve'" -l socket -d 'Dispatch socket of the gateway' -r -F
complete -c analyst -n "__analyst_at 'gateway serve'" -l data -d 'Data folder of the gateway - log, images, accounts' -r -F
complete -c analyst -n "__analyst_at 'gateway serve'" -l set -d 'Any other setting; may be repeated' -x
complete -c analyst -n "__analyst_at 'gateway serve'" -l verbose -s v -d 'Log more'
complete -c analyst -n "__analyst_at 'gateway serve'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'gateway settings'" -l config -s c -d 'Settings file of the gateway (TOML)' -r -F
complete -c analyst -n "__analyst_at 'gateway settings'" -l set -d 'Any other setting; may be repeated' -x
complete -c analyst -n "__analyst_at 'gateway settings'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'gateway settings'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'gateway users'" -l disable -d 'Shut a person out - devices, tokens and sessions end' -x
complete -c analyst -n "__analyst_at 'gateway users'" -l enable -d 'Let a person in again' -x
complete -c analyst -n "__analyst_at 'gateway users'" -l connect -d 'Let the next sign-in with this verified address become this person' -x
complete -c analyst -n "__analyst_at 'gateway users'" -l config -s c -d 'Settings file of the gateway (TOML)' -r -F
complete -c analyst -n "__analyst_at 'gateway users'" -l data -d 'Data folder of the gateway - log, images, accounts' -r -F
complete -c analyst -n "__analyst_at 'gateway users'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'gateway users'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'inbox'" -l offline -d 'Show what is here and connect to nothing'
complete -c analyst -n "__analyst_at 'inbox'" -l theme -d 'auto, dark, light, contrast or ansi' -x -a 'auto dark light contrast ansi'
complete -c analyst -n "__analyst_at 'inbox'" -l server -d 'Whose inbox; else ANALYST_SERVER, else the server used last' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'inbox'" -l ws-url -d 'A gateway without a portal; else ANALYST_WS_URL' -x
complete -c analyst -n "__analyst_at 'inbox'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'investigate'" -l agent -d 'Another agent, with {prompt} and {folder}; default - investigate.agent' -x
complete -c analyst -n "__analyst_at 'investigate'" -l place -d 'here, tmux or window; default - investigate.agent_place' -x -a 'here tmux window'
complete -c analyst -n "__analyst_at 'investigate'" -l prepare -d 'Only make the folder, and print where it is'
complete -c analyst -n "__analyst_at 'investigate'" -l server -d 'Whose inbox; else ANALYST_SERVER, else the server used last' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'investigate'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'investigate'" -a '(__analyst_words ids)'
complete -c analyst -n "__analyst_at 'list'" -l unread -s u -d 'Only unread ones'
complete -c analyst -n "__analyst_at 'list'" -l script -s s -d 'Only of this script' -x -a '(__analyst_words scripts)'
complete -c analyst -n "__analyst_at 'list'" -l priority -s p -d 'Only of this priority or above - low, normal, high, critical' -x -a 'low normal high critical'
complete -c analyst -n "__analyst_at 'list'" -l tag -d 'Only with this tag' -x -a '(__analyst_words tags)'
complete -c analyst -n "__analyst_at 'list'" -l since -d 'Only since then - 30m, 2h, 3d, 1w, today, yesterday, 2026-01-30, 2026…' -x
complete -c analyst -n "__analyst_at 'list'" -l archived -d 'The archived ones instead'
complete -c analyst -n "__analyst_at 'list'" -l snoozed -d 'The snoozed ones instead'
complete -c analyst -n "__analyst_at 'list'" -l all -s a -d 'Archived and snoozed ones too'
complete -c analyst -n "__analyst_at 'list'" -l repeats -d 'Repeats of a key one by one, instead of one line with a counter'
complete -c analyst -n "__analyst_at 'list'" -l limit -s n -d 'At most so many lines; default - list.limit' -x
complete -c analyst -n "__analyst_at 'list'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'list'" -l plain -d 'Print sentences without columns or signs, for screen readers'
complete -c analyst -n "__analyst_at 'list'" -l server -d 'Whose inbox; else ANALYST_SERVER, else the server used last' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'list'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'login'" -l server -d 'Address of the portal; else ANALYST_SERVER, else the server used last' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'login'" -l custom-url -d 'Come back through a keboola-analyst -// link'
complete -c analyst -n "__analyst_at 'login'" -l loopback -d 'Come back through a page on 127.0.0.1'
complete -c analyst -n "__analyst_at 'login'" -l device -d 'Type a code into a browser anywhere'
complete -c analyst -n "__analyst_at 'login'" -l token-stdin -d 'Read a token from standard input'
complete -c analyst -n "__analyst_at 'login'" -l no-input -d 'Print where to sign in as JSON and exit; finish with --complete'
complete -c analyst -n "__analyst_at 'login'" -l complete -d 'Wait for the sign-in that --no-input began'
complete -c analyst -n "__analyst_at 'login'" -l insecure-storage -d 'Keep the token in a 0600 file instead of the keyring'
complete -c analyst -n "__analyst_at 'login'" -l device-name -d 'What this machine is called on the dashboard' -x
complete -c analyst -n "__analyst_at 'login'" -l install-handler -d 'Only register keboola-analyst -// links with this system'
complete -c analyst -n "__analyst_at 'login'" -l uninstall-handler -d 'Only remove that registration'
complete -c analyst -n "__analyst_at 'login'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'logout'" -l server -d 'Address of the portal; else ANALYST_SERVER, else the server used last' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'logout'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'mark'" -l read -d 'Read (also without any flag)'
complete -c analyst -n "__analyst_at 'mark'" -l unread -d 'Unread again'
complete -c analyst -n "__analyst_at 'mark'" -l archive -l archived -d 'Out of the inbox'
complete -c analyst -n "__analyst_at 'mark'" -l unarchive -l unarchived -d 'Back into the inbox'
complete -c analyst -n "__analyst_at 'mark'" -l ack -l acknowledged -d 'Somebody takes care of it'
complete -c analyst -n "__analyst_at 'mark'" -l all -d 'Everything in the inbox, instead of ids'
complete -c analyst -n "__analyst_at 'mark'" -l json -d 'Print one JSON object'
complete -c analyst -n "__analyst_at 'mark'" -l server -d 'Whose inbox; else ANALYST_SERVER, else the server used last' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'mark'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'mark'" -a '(__analyst_words ids)'
complete -c analyst -n "__analyst_at 'runner'" -a exec-as -d 'Answer the portal and the bot, with one JSON object'
complete -c analyst -n "__analyst_at 'runner'" -a install -d 'Have the system run the scripts every five minutes'
complete -c analyst -n "__analyst_at 'runner'" -a once -d 'Run what is due now and end - what cron calls every 5 minutes'
complete -c analyst -n "__analyst_at 'runner'" -a overdue -d 'List scripts that should have run and have not'
complete -c analyst -n "__analyst_at 'runner'" -a serve -d 'Run scripts by their own schedules until Ctrl-C or SIGTERM'
complete -c analyst -n "__analyst_at 'runner'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'runner exec-as'" -l group -d 'Group that the account must be in' -x
complete -c analyst -n "__analyst_at 'runner exec-as'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'runner install'" -l with -d 'cron, systemd or launchd what fits this system' -x
complete -c analyst -n "__analyst_at 'runner install'" -l remove -d 'Take it away again'
complete -c analyst -n "__analyst_at 'runner install'" -l yes -s y -d 'Do not ask'
complete -c analyst -n "__analyst_at 'runner install'" -l scripts -d 'Folder of the scripts ANALYST_SCRIPTS_DIR, ~/user/notifications' -r -F
complete -c analyst -n "__analyst_at 'runner install'" -l state -d 'Folder of history, cooldowns and logs ANALYST_NOTIFICATIONS_DIR, ~/.n…' -r -F
complete -c analyst -n "__analyst_at 'runner install'" -l socket -d 'The gateway’s dispatch socket WS_DISPATCH_SOCKET, /run/ws-gateway/ws.…' -r -F
complete -c analyst -n "__analyst_at 'runner install'" -l user -d 'Who gets the alerts ANALYST_USER, the account’s name' -x -a '(__analyst_words users)'
complete -c analyst -n "__analyst_at 'runner install'" -l python -d 'Python that runs the scripts ANALYST_SCRIPT_PYTHON, ~/.venv/bin/pytho…' -r -F
complete -c analyst -n "__analyst_at 'runner install'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'runner once'" -l scripts -d 'Folder of the scripts ANALYST_SCRIPTS_DIR, ~/user/notifications' -r -F
complete -c analyst -n "__analyst_at 'runner once'" -l state -d 'Folder of history, cooldowns and logs ANALYST_NOTIFICATIONS_DIR, ~/.n…' -r -F
complete -c analyst -n "__analyst_at 'runner once'" -l socket -d 'The gateway’s dispatch socket WS_DISPATCH_SOCKET, /run/ws-gateway/ws.…' -r -F
complete -c analyst -n "__analyst_at 'runner once'" -l user -d 'Who gets the alerts ANALYST_USER, the account’s name' -x -a '(__analyst_words users)'
complete -c analyst -n "__analyst_at 'runner once'" -l python -d 'Python that runs the scripts ANALYST_SCRIPT_PYTHON, ~/.venv/bin/pytho…' -r -F
complete -c analyst -n "__analyst_at 'runner once'" -l parallel -d 'Scripts that run at the same time' -x
complete -c analyst -n "__analyst_at 'runner once'" -l failure-alerts -l no-failure-alerts -d 'Tell the owner when a script fails, recovers, or is overdue'
complete -c analyst -n "__analyst_at 'runner once'" -l now -d 'Run all scripts, whatever their schedules say'
complete -c analyst -n "__analyst_at 'runner once'" -l no-cooldown -d 'Send even what a cooldown would hold back'
complete -c analyst -n "__analyst_at 'runner once'" -l quiet -s q -d 'Print nothing - for cron, which mails what is printed'
complete -c analyst -n "__analyst_at 'runner once'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'runner once'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'runner overdue'" -l scripts -d 'Folder of the scripts ANALYST_SCRIPTS_DIR, ~/user/notifications' -r -F
complete -c analyst -n "__analyst_at 'runner overdue'" -l state -d 'Folder of history, cooldowns and logs ANALYST_NOTIFICATIONS_DIR, ~/.n…' -r -F
complete -c analyst -n "__analyst_at 'runner overdue'" -l socket -d 'The gateway’s dispatch socket WS_DISPATCH_SOCKET, /run/ws-gateway/ws.…' -r -F
complete -c analyst -n "__analyst_at 'runner overdue'" -l user -d 'Who gets the alerts ANALYST_USER, the account’s name' -x -a '(__analyst_words users)'
complete -c analyst -n "__analyst_at 'runner overdue'" -l tell -d 'Tell the owners, once for each missed time'
complete -c analyst -n "__analyst_at 'runner overdue'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'runner serve'" -l scripts -d 'Folder of the scripts ANALYST_SCRIPTS_DIR, ~/user/notifications' -r -F
complete -c analyst -n "__analyst_at 'runner serve'" -l state -d 'Folder of history, cooldowns and logs ANALYST_NOTIFICATIONS_DIR, ~/.n…' -r -F
complete -c analyst -n "__analyst_at 'runner serve'" -l socket -d 'The gateway’s dispatch socket WS_DISPATCH_SOCKET, /run/ws-gateway/ws.…' -r -F
complete -c analyst -n "__analyst_at 'runner serve'" -l user -d 'Who gets the alerts ANALYST_USER, the account’s name' -x -a '(__analyst_words users)'
complete -c analyst -n "__analyst_at 'runner serve'" -l python -d 'Python that runs the scripts ANALYST_SCRIPT_PYTHON, ~/.venv/bin/pytho…' -r -F
complete -c analyst -n "__analyst_at 'runner serve'" -l parallel -d 'Scripts that run at the same time' -x
complete -c analyst -n "__analyst_at 'runner serve'" -l failure-alerts -l no-failure-alerts -d 'Tell the owner when a script fails, recovers, or is overdue'
complete -c analyst -n "__analyst_at 'runner serve'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'runner serve'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'scripts'" -a edit -d 'Open a script in VISUAL or EDITOR, then check it'
complete -c analyst -n "__analyst_at 'scripts'" -a explain -d 'Tell why an alert was sent, or was not'
complete -c analyst -n "__analyst_at 'scripts'" -a history -d 'List the latest runs, and why nothing was sent'
complete -c analyst -n "__analyst_at 'scripts'" -a list -d 'List the scripts, their last run and their next'
complete -c analyst -n "__analyst_at 'scripts'" -a new -d 'Write a new script from a sample, ready to run and to change'
complete -c analyst -n "__analyst_at 'scripts'" -a run -d 'Run one script now and send what it says'
complete -c analyst -n "__analyst_at 'scripts'" -a test -d 'Run one script and show what it would send'
complete -c analyst -n "__analyst_at 'scripts'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'scripts edit'" -l scripts -d 'Folder of the scripts ANALYST_SCRIPTS_DIR, ~/user/notifications' -r -F
complete -c analyst -n "__analyst_at 'scripts edit'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'scripts edit'" -a '(__analyst_words scripts)'
complete -c analyst -n "__analyst_at 'scripts explain'" -l scripts -d 'Folder of the scripts ANALYST_SCRIPTS_DIR, ~/user/notifications' -r -F
complete -c analyst -n "__analyst_at 'scripts explain'" -l state -d 'Folder of history, cooldowns and logs ANALYST_NOTIFICATIONS_DIR, ~/.n…' -r -F
complete -c analyst -n "__analyst_at 'scripts explain'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'scripts explain'" -a '(__analyst_words scripts)'
complete -c analyst -n "__analyst_at 'scripts history'" -l scripts -d 'Folder of the scripts ANALYST_SCRIPTS_DIR, ~/user/notifications' -r -F
complete -c analyst -n "__analyst_at 'scripts history'" -l state -d 'Folder of history, cooldowns and logs ANALYST_NOTIFICATIONS_DIR, ~/.n…' -r -F
complete -c analyst -n "__analyst_at 'scripts history'" -l limit -s n -d 'How many runs' -x
complete -c analyst -n "__analyst_at 'scripts history'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'scripts history'" -l plain -d 'Print sentences without columns, for screen readers'
complete -c analyst -n "__analyst_at 'scripts history'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'scripts history'" -a '(__analyst_words scripts)'
complete -c analyst -n "__analyst_at 'scripts list'" -l scripts -d 'Folder of the scripts ANALYST_SCRIPTS_DIR, ~/user/notifications' -r -F
complete -c analyst -n "__analyst_at 'scripts list'" -l state -d 'Folder of history, cooldowns and logs ANALYST_NOTIFICATIONS_DIR, ~/.n…' -r -F
complete -c analyst -n "__analyst_at 'scripts list'" -l remote -d 'The scripts on the server, asked through the portal, not those of thi…'
complete -c analyst -n "__analyst_at 'scripts list'" -l server -d 'Which server, with --remote; else ANALYST_SERVER, else the server use…' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'scripts list'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'scripts list'" -l plain -d 'Print sentences without columns, for screen readers'
complete -c analyst -n "__analyst_at 'scripts list'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'scripts new'" -l from -d 'The sample to begin with; --samples lists them' -x
complete -c analyst -n "__analyst_at 'scripts new'" -l samples -d 'List the samples and end'
complete -c analyst -n "__analyst_at 'scripts new'" -l scripts -d 'Folder of the scripts ANALYST_SCRIPTS_DIR, ~/user/notifications' -r -F
complete -c analyst -n "__analyst_at 'scripts new'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'scripts new'" -a '(__analyst_words scripts)'
complete -c analyst -n "__analyst_at 'scripts run'" -l scripts -d 'Folder of the scripts ANALYST_SCRIPTS_DIR, ~/user/notifications' -r -F
complete -c analyst -n "__analyst_at 'scripts run'" -l state -d 'Folder of history, cooldowns and logs ANALYST_NOTIFICATIONS_DIR, ~/.n…' -r -F
complete -c analyst -n "__analyst_at 'scripts run'" -l socket -d 'The gateway’s dispatch socket WS_DISPATCH_SOCKET, /run/ws-gateway/ws.…' -r -F
complete -c analyst -n "__analyst_at 'scripts run'" -l user -d 'Who gets the alerts ANALYST_USER, the account’s name' -x -a '(__analyst_words users)'
complete -c analyst -n "__analyst_at 'scripts run'" -l python -d 'Python that runs the scripts ANALYST_SCRIPT_PYTHON, ~/.venv/bin/pytho…' -r -F
complete -c analyst -n "__analyst_at 'scripts run'" -l remote -d 'The scripts on the server, asked through the portal, not those of thi…'
complete -c analyst -n "__analyst_at 'scripts run'" -l server -d 'Which server, with --remote; else ANALYST_SERVER, else the server use…' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'scripts run'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'scripts run'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'scripts run'" -a '(__analyst_words scripts)'
complete -c analyst -n "__analyst_at 'scripts test'" -l scripts -d 'Folder of the scripts ANALYST_SCRIPTS_DIR, ~/user/notifications' -r -F
complete -c analyst -n "__analyst_at 'scripts test'" -l python -d 'Python that runs the scripts ANALYST_SCRIPT_PYTHON, ~/.venv/bin/pytho…' -r -F
complete -c analyst -n "__analyst_at 'scripts test'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'scripts test'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'scripts test'" -a '(__analyst_words scripts)'
complete -c analyst -n "__analyst_at 'search'" -l unread -s u -d 'Only unread ones'
complete -c analyst -n "__analyst_at 'search'" -l script -s s -d 'Only of this script' -x -a '(__analyst_words scripts)'
complete -c analyst -n "__analyst_at 'search'" -l priority -s p -d 'Only of this priority or above - low, normal, high, critical' -x -a 'low normal high critical'
complete -c analyst -n "__analyst_at 'search'" -l tag -d 'Only with this tag' -x -a '(__analyst_words tags)'
complete -c analyst -n "__analyst_at 'search'" -l since -d 'Only since then - 30m, 2h, 3d, 1w, today, yesterday, 2026-01-30, 2026…' -x
complete -c analyst -n "__analyst_at 'search'" -l limit -s n -d 'At most so many lines; default - list.limit' -x
complete -c analyst -n "__analyst_at 'search'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'search'" -l plain -d 'Print sentences without columns or signs, for screen readers'
complete -c analyst -n "__analyst_at 'search'" -l server -d 'Whose inbox; else ANALYST_SERVER, else the server used last' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'search'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'server'" -a forget -d 'Forget a server and its token on this machine'
complete -c analyst -n "__analyst_at 'server'" -a list -d 'List the servers you signed in to, the current one first'
complete -c analyst -n "__analyst_at 'server'" -a use -d 'Choose the server that commands use without --server'
complete -c analyst -n "__analyst_at 'server'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'server forget'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'server forget'" -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'server list'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'server list'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'server use'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'server use'" -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'service'" -a install -d 'Start analyst watch --quiet at every login, so that the inbox and the…'
complete -c analyst -n "__analyst_at 'service'" -a status -d 'Tell whether the background watch is installed and running; ends with…'
complete -c analyst -n "__analyst_at 'service'" -a uninstall -d 'Stop the background watch and remove its file'
complete -c analyst -n "__analyst_at 'service'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'service install'" -l notify -d 'The watch also announces what arrives on the desktop'
complete -c analyst -n "__analyst_at 'service install'" -l yes -s y -d 'Do not ask'
complete -c analyst -n "__analyst_at 'service install'" -l print -d 'Only print the file, and write nothing'
complete -c analyst -n "__analyst_at 'service install'" -l server -d 'Whose inbox; else ANALYST_SERVER, else the server used last' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'service install'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'service status'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'service status'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'service uninstall'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'show'" -l image -s i -d 'Draw the chart in the terminal'
complete -c analyst -n "__analyst_at 'show'" -l read -s r -d 'Mark it read, too'
complete -c analyst -n "__analyst_at 'show'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'show'" -l plain -d 'Print sentences without columns or signs, for screen readers'
complete -c analyst -n "__analyst_at 'show'" -l server -d 'Whose inbox; else ANALYST_SERVER, else the server used last' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'show'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'show'" -a '(__analyst_words ids)'
complete -c analyst -n "__analyst_at 'snooze'" -l until -s t -d 'Until then - 2h, 18 -00, tomorrow 9 -00, monday, 2026-12-24 9 -00' -x
complete -c analyst -n "__analyst_at 'snooze'" -l json -d 'Print one JSON object'
complete -c analyst -n "__analyst_at 'snooze'" -l server -d 'Whose inbox; else ANALYST_SERVER, else the server used last' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'snooze'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'snooze'" -a '(__analyst_words ids)'
complete -c analyst -n "__analyst_at 'status'" -l user -s u -d 'Only for this user' -x -a '(__analyst_words users)'
complete -c analyst -n "__analyst_at 'status'" -l json -d 'Print one JSON object'
complete -c analyst -n "__analyst_at 'status'" -l plain -d 'Sentences without columns, for screen readers'
complete -c analyst -n "__analyst_at 'status'" -l socket -d 'Dispatch socket of the gateway' -r -F
complete -c analyst -n "__analyst_at 'status'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'telegram'" -a serve -d 'Serve the bot until SIGTERM or Ctrl-C'
complete -c analyst -n "__analyst_at 'telegram'" -a status -d 'Tell who has linked a chat, how many deliveries are in which state, a…'
complete -c analyst -n "__analyst_at 'telegram'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'telegram serve'" -l config -s c -d 'Settings file of the gateway (TOML)' -r -F
complete -c analyst -n "__analyst_at 'telegram serve'" -l data -d 'Data folder of the gateway - log, images, accounts' -r -F
complete -c analyst -n "__analyst_at 'telegram serve'" -l socket -d 'Dispatch socket of the gateway' -r -F
complete -c analyst -n "__analyst_at 'telegram serve'" -l bot-socket -d 'Also serve the bot socket here, as /run/notify-bot/bot.sock' -r -F
complete -c analyst -n "__analyst_at 'telegram serve'" -l verbose -s v -d 'Log more'
complete -c analyst -n "__analyst_at 'telegram serve'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'telegram status'" -l config -s c -d 'Settings file of the gateway (TOML)' -r -F
complete -c analyst -n "__analyst_at 'telegram status'" -l data -d 'Data folder of the gateway - log, images, accounts' -r -F
complete -c analyst -n "__analyst_at 'telegram status'" -l limit -s n -d 'How many of the latest deliveries to list' -x
complete -c analyst -n "__analyst_at 'telegram status'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'telegram status'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'token'" -a inspect -d 'Tell what a token says - whose, which device, until when'
complete -c analyst -n "__analyst_at 'token'" -a issue -d 'Issue a token with the gateway’s secret, or one for a program elsewhe…'
complete -c analyst -n "__analyst_at 'token'" -a publishers -d 'List the tokens of remote publishers; the tokens themselves cannot be…'
complete -c analyst -n "__analyst_at 'token'" -a refresh -d 'Exchange a token for a new one, also within 7 days after it expired'
complete -c analyst -n "__analyst_at 'token'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'token inspect'" -l server -d 'Address of the portal; else ANALYST_SERVER, else the server used last' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'token inspect'" -l stdin -d 'Take the token from standard input, not the stored one'
complete -c analyst -n "__analyst_at 'token inspect'" -l json -d 'Print one JSON object'
complete -c analyst -n "__analyst_at 'token inspect'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'token issue'" -l publisher -d 'Issue a remote publisher’s token under this name instead' -x
complete -c analyst -n "__analyst_at 'token issue'" -l to -d 'With --publisher - whom it may reach; repeat it, or ’*’' -x
complete -c analyst -n "__analyst_at 'token issue'" -l device -d 'What the device is called on the dashboard' -x
complete -c analyst -n "__analyst_at 'token issue'" -l days -d 'How long it is valid' -x
complete -c analyst -n "__analyst_at 'token issue'" -l config -s c -d 'Settings file of the gateway (TOML)' -r -F
complete -c analyst -n "__analyst_at 'token issue'" -l data -d 'Data folder of the gateway - log, images, accounts' -r -F
complete -c analyst -n "__analyst_at 'token issue'" -l json -d 'Print one JSON object'
complete -c analyst -n "__analyst_at 'token issue'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'token issue'" -a '(__analyst_words users)'
complete -c analyst -n "__analyst_at 'token publishers'" -l config -s c -d 'Settings file of the gateway (TOML)' -r -F
complete -c analyst -n "__analyst_at 'token publishers'" -l data -d 'Data folder of the gateway - log, images, accounts' -r -F
complete -c analyst -n "__analyst_at 'token publishers'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'token publishers'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'token refresh'" -l server -d 'Address of the portal; else ANALYST_SERVER, else the server used last' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'token refresh'" -l stdin -d 'Take the token from standard input, not the stored one'
complete -c analyst -n "__analyst_at 'token refresh'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'watch'" -l json -d 'Print one JSON object a line'
complete -c analyst -n "__analyst_at 'watch'" -l plain -d 'Print sentences without columns or signs, for screen readers'
complete -c analyst -n "__analyst_at 'watch'" -l quiet -s q -d 'Print nothing - only keep the local inbox and the badge current'
complete -c analyst -n "__analyst_at 'watch'" -l notify -d 'Announce outside of the terminal, too'
complete -c analyst -n "__analyst_at 'watch'" -l script -s s -d 'Only of this script' -x -a '(__analyst_words scripts)'
complete -c analyst -n "__analyst_at 'watch'" -l priority -s p -d 'Only of this priority or above - low, normal, high, critical' -x -a 'low normal high critical'
complete -c analyst -n "__analyst_at 'watch'" -l tag -d 'Only with this tag' -x -a '(__analyst_words tags)'
complete -c analyst -n "__analyst_at 'watch'" -l since -d 'Print what came since then, too - 30m, 2h, 3d, 1w, today, yesterday,…' -x
complete -c analyst -n "__analyst_at 'watch'" -l limit -s n -d 'End after so many' -x
complete -c analyst -n "__analyst_at 'watch'" -l server -d 'Whose inbox; else ANALYST_SERVER, else the server used last' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'watch'" -l ws-url -d 'A gateway without a portal; else ANALYST_WS_URL' -x
complete -c analyst -n "__analyst_at 'watch'" -l help -s h -d 'Show this message and exit'
complete -c analyst -n "__analyst_at 'whoami'" -l server -d 'Address of the portal; else ANALYST_SERVER, else the server used last' -x -a '(__analyst_words servers)'
complete -c analyst -n "__analyst_at 'whoami'" -l json -d 'Print one JSON object'
complete -c analyst -n "__analyst_at 'whoami'" -l help -s h -d 'Show this message and exit'
