"""Claims about the search head: the audit index, rights, limits, files."""

from __future__ import annotations

from dltk_runtime.acceptance.claims.claim import APP, Claim, Flavour, entry
from dltk_runtime.doctor.clients import DSDL, TOOLKIT, Client
from dltk_runtime.inventory.audit import DASHBOARD, FIELDS, INDEX, STARTED

CONTEXT = "| rest splunk_server=local /services/authentication/current-context"
_AUDIT = f"search index={INDEX} {STARTED} | head 5000"


def _audited(condition: str) -> str:
    return (
        f"{_AUDIT} | stats count AS n count(eval({condition})) AS w "
        '| eval seen="searches ".n.", with it ".w, ok=case(n=0,null(),w>0,1,true(),0)'
    )


def _right(name: str) -> str:
    """Return a search that compares whether the user has a right, and whether a fit left an entry."""
    inner = entry("staged").replace("AS seen", "AS entry")
    return (
        f'{CONTEXT} | mvexpand capabilities | search capabilities="{name}" | stats count AS has | appendcols [{inner}] '
        '| eval seen="has the right ".has.", entry ".entry, ok=case(entry=0,null(),has=0,0,true(),1)'
    )


def _client(flavour: Flavour) -> Client:
    return DSDL if flavour is Flavour.DSDL else TOOLKIT


def _files(flavour: Flavour) -> str:
    client = _client(flavour)
    path = f"/servicesNS/nobody/{client.app}/configs/conf-{client.file}"
    return (
        f"| rest splunk_server=local count=0 {path} | stats count AS n count(api_url) AS w "
        '| eval seen="stanzas ".n.", with api_url ".w, ok=if(w>0,1,0)'
    )


def _push_mode(flavour: Flavour) -> str:
    path = f"/servicesNS/nobody/{_client(flavour).app}/configs/conf-app"
    return (
        f"| rest splunk_server=local count=0 {path} | search title=shclustering "
        "| stats count AS n values(deployer_push_mode) AS mode "
        "| appendcols [| rest splunk_server=local /services/server/info "
        '| eval member=if(match(mvjoin(server_roles," "),"shc_"),1,0) | stats max(member) AS member] '
        '| eval mode=coalesce(mode,"not set"), seen="member of a cluster ".member.", push mode ".mode, '
        'ok=case(member=0,null(),mode="full" OR mode="local_only",1,true(),0)'
    )


DURABLE = "durable.track_time_type"
CONTINUOUS = "realtime_schedule"
CLAIMS = (
    Claim(
        "audit_saved_search",
        f"An event of a search in index={INDEX} names the saved search in {FIELDS.saved}",
        "inventory/audit",
        _audited(f'{FIELDS.saved}!=""'),
        earliest="-24h",
    ),
    Claim(
        "audit_app",
        f"It names the app in {FIELDS.app}",
        "inventory/audit",
        _audited(f'{FIELDS.app}!=""'),
        earliest="-24h",
    ),
    Claim(
        "audit_dashboard",
        f"It names the dashboard in {FIELDS.origin}, which begins {DASHBOARD} (open this app's dashboard first)",
        "inventory/audit",
        _audited(f'match({FIELDS.origin},"^{DASHBOARD}")'),
        earliest="-24h",
    ),
    Claim(
        "audit_user_and_text",
        f"It has the user in {FIELDS.user} and the whole search in {FIELDS.text}",
        "flows 6, inventory/reports",
        _audited(f'{FIELDS.user}!="" AND {FIELDS.text}!=""'),
        earliest="-24h",
    ),
    Claim(
        "audit_search_id",
        f"It has the search's id in {FIELDS.sid}, seconds of its start before the point",
        "inventory/reports",
        _audited(f'abs(tonumber(replace({FIELDS.sid},"^.*?(\\d{{10}})\\.\\d+.*$","\\1"))-_time)<86400'),
        earliest="-24h",
    ),
    Claim(
        "right_to_store",
        "Who stores a model has the capability upload_lookup_files (run it as a user without it, too)",
        "protocol 6",
        _right("upload_lookup_files"),
    ),
    Claim(
        "right_to_read_the_token",
        "Who fits has the capability list_storage_passwords (run it as a user without it, too)",
        "flows 1.11",
        _right("list_storage_passwords"),
    ),
    Claim(
        "right_to_fit",
        "Who fits has the capability fit_mltkcontainer (run it as a user without it, too)",
        "flows 1.11",
        _right("fit_mltkcontainer"),
        flavours=frozenset({Flavour.AITK}),
    ),
    Claim(
        "limits",
        "mlspl.conf has max_fit_time = 600 and max_inputs = 100000, unless somebody changed them",
        "protocol 1.1",
        "| rest splunk_server=local /servicesNS/nobody/Splunk_ML_Toolkit/configs/conf-mlspl "
        "| search title=default | stats count AS n values(max_fit_time) AS t values(max_inputs) AS i "
        '| eval seen="max_fit_time ".t.", max_inputs ".i, ok=case(isnull(t),null(),t=600 AND i=100000,1,true(),0)',
    ),
    *(
        Claim(
            "stanzas_over_rest",
            "The stanzas by which the client finds containers can be read over REST",
            "doctor/stanzas",
            _files(flavour),
            flavours=frozenset({flavour}),
            refuted_by_error=True,
        )
        for flavour in Flavour
    ),
    *(
        Claim(
            "deployer_merge",
            "In a search head cluster the client's app says deployer_push_mode = full or local_only: the default, "
            "merge_to_default, moves stanzas of local into default, where the client does not look",
            "flows 1.12",
            _push_mode(flavour),
            flavours=frozenset({flavour}),
        )
        for flavour in Flavour
    ),
    Claim(
        "durable_searches",
        f"Splunk knows {DURABLE}, by which a schedule runs again what it missed",
        "flows 2",
        f"| rest splunk_server=local count=0 /servicesNS/nobody/{APP}/saved/searches "
        f'| search title="{APP}_durable_searches" | rename {DURABLE} AS seen | stats count AS n values(seen) AS seen '
        '| eval ok=case(n=0,null(),seen="_time",1,true(),0)',
        settings={DURABLE: "_time"},
    ),
    Claim(
        "durable_continuous",
        f"It keeps {DURABLE} beside {CONTINUOUS}=0, by which a schedule leaves out no start",
        "flows 2: not seen",
        f"| rest splunk_server=local count=0 /servicesNS/nobody/{APP}/saved/searches "
        f'| search title="{APP}_durable_continuous" | rename {DURABLE} AS durable '
        f"| stats count AS n values(durable) AS durable values({CONTINUOUS}) AS live "
        '| eval seen=case(n=0,null(),isnull(durable),"not durable",live="0" OR live="false","both",true(),'
        '"not continuous"), ok=case(isnull(seen),null(),seen="both",1,true(),0)',
        settings={DURABLE: "_time", CONTINUOUS: "0"},
    ),
    Claim(
        "search_of_nobody",
        "A report that belongs to nobody, as this one, runs as nobody when it is dispatched over REST, so that a "
        "flow's searches need an owner (run it with 'dltk splunk verify': a browser runs it as you)",
        "flows 1.11: not seen",
        f"{CONTEXT} | stats values(username) AS user "
        '| eval seen=case(isnull(user),null(),user="nobody" OR user="splunk-system-user","nobody",true(),"a user"), '
        'ok=case(isnull(seen),null(),seen="nobody",1,true(),0)',
    ),
    Claim(
        "toolkit_shared",
        "The toolkit is shared with all apps, so this app finds its commands",
        "doctor/search_head",
        "| rest splunk_server=local count=0 /services/apps/local | search title=Splunk_ML_Toolkit "
        "| rename eai:acl.sharing AS sharing | stats count AS n values(sharing) AS seen "
        '| eval ok=case(isnull(seen),null(),seen="global",1,true(),0)',
    ),
    Claim(
        "disabled_refused",
        "A disabled search cannot be run by hand, nor dispatched over REST",
        "flows 7",
        '| makeresults | eval seen="it ran", ok=0 | fields ok seen',
        disabled=True,
    ),
)
