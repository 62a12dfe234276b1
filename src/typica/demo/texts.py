r"""The text of the demo lines: passages of Goethe's Faust, wrapped like prose.

Johann Wolfgang von Goethe, Faust. Der Tragödie erster Teil (Tübingen: Cotta, 1808), in the
spelling of later editions: Zueignung, Prolog im Himmel, Nacht, Vor dem Tor, Studierzimmer,
Abend, Gretchens Stube. The author died in 1832; the text is in the public domain.

Fraktur has two forms of the letter s. The round one stands at the end of a word and of a part of
a compound, the long one everywhere else. The ends of words are found by rule (`with_long_s`); the
ends of parts within a word are marked in the text below with a vertical bar (`Glaubens|genossen`).
"""

from __future__ import annotations

import re
from collections import Counter

from ..lines.render_request import wrap_text

__all__ = ["FAUST", "SOURCE", "demo_texts", "plain_text", "with_long_s"]

SOURCE = "Goethe, Faust. Der Tragödie erster Teil (1808), passages; public domain"
"""The work that the demo text is taken from."""

FAUST = """
Ihr naht euch wieder, schwankende Gestalten, die früh sich einst dem trüben Blick gezeigt.
Versuch ich wohl, euch dies|mal festzuhalten? Fühl ich mein Herz noch jenem Wahn geneigt?
Ihr drängt euch zu! Nun gut, so mögt ihr walten, wie ihr aus Dunst und Nebel um mich steigt;
mein Busen fühlt sich jugendlich erschüttert vom Zauberhauch, der euren Zug umwittert.
Ihr bringt mit euch die Bilder froher Tage, und manche liebe Schatten steigen auf;
gleich einer alten, halbverklungnen Sage kommt erste Lieb und Freundschaft mit herauf;
der Schmerz wird neu, es wiederholt die Klage des Lebens labyrinthisch irren Lauf,
und nennt die Guten, die, um schöne Stunden vom Glück getäuscht, vor mir hinweggeschwunden.
Sie hören nicht die folgenden Gesänge, die Seelen, denen ich die ersten sang;
zerstoben ist das freundliche Gedränge, verklungen, ach! der erste Widerklang.
Mein Lied ertönt der unbekannten Menge, ihr Beifall selbst macht meinem Herzen bang,
und was sich sonst an meinem Lied erfreuet, wenn es noch lebt, irrt in der Welt zerstreuet.
Und mich ergreift ein längst entwöhntes Sehnen nach jenem stillen, ernsten Geisterreich,
es schwebet nun in unbestimmten Tönen mein lispelnd Lied, der Äols|harfe gleich,
ein Schauer faßt mich, Träne folgt den Tränen, das strenge Herz, es fühlt sich mild und weich;
was ich besitze, seh ich wie im Weiten, und was verschwand, wird mir zu Wirklichkeiten.

Die Sonne tönt, nach alter Weise, in Brudersphären Wettgesang,
und ihre vorgeschriebne Reise vollendet sie mit Donnergang.
Ihr Anblick gibt den Engeln Stärke, wenn keiner sie ergründen mag;
die unbegreiflich hohen Werke sind herrlich wie am ersten Tag.
Und schnell und unbegreiflich schnelle dreht sich umher der Erde Pracht;
es wechselt Paradieses|helle mit tiefer, schauervoller Nacht;
es schäumt das Meer in breiten Flüssen am tiefen Grund der Felsen auf,
und Fels und Meer wird fortgerissen in ewig schnellem Sphärenlauf.
Und Stürme brausen um die Wette, vom Meer aufs Land, vom Land aufs Meer,
und bilden wütend eine Kette der tiefsten Wirkung rings|umher.
Da flammt ein blitzendes Verheeren dem Pfade vor des Donnerschlags;
doch deine Boten, Herr, verehren das sanfte Wandeln deines Tags.
Da du, o Herr, dich einmal wieder nahst und fragst, wie alles sich bei uns befinde,
und du mich sonst gewöhnlich gerne sahst, so siehst du mich auch unter dem Gesinde.
Verzeih, ich kann nicht hohe Worte machen, und wenn mich auch der ganze Kreis verhöhnt;
mein Pathos brächte dich gewiß zum Lachen, hättst du dir nicht das Lachen abgewöhnt.
Von Sonn und Welten weiß ich nichts zu sagen, ich sehe nur, wie sich die Menschen plagen.
Der kleine Gott der Welt bleibt stets von gleichem Schlag,
und ist so wunderlich als wie am ersten Tag.
Ein wenig besser würd er leben, hättst du ihm nicht den Schein des Himmels|lichts gegeben;
er nennts Vernunft und brauchts allein, nur tierischer als jedes Tier zu sein.
Er scheint mir, mit Verlaub von Euer Gnaden, wie eine der langbeinigen Zikaden,
die immer fliegt und fliegend springt und gleich im Gras ihr altes Liedchen singt.
Und läg er nur noch immer in dem Grase! In jeden Quark begräbt er seine Nase.
Hast du mir weiter nichts zu sagen? Kommst du nur immer anzuklagen?
Ist auf der Erde ewig dir nichts recht?
Nein, Herr! ich find es dort, wie immer, herzlich schlecht.
Die Menschen dauern mich in ihren Jammertagen, ich mag sogar die armen selbst nicht plagen.
Kennst du den Faust? Den Doktor? Meinen Knecht!
Fürwahr! er dient Euch auf besondre Weise.
Nicht irdisch ist des Toren Trank noch Speise. Ihn treibt die Gärung in die Ferne,
er ist sich seiner Tollheit halb bewußt; vom Himmel fordert er die schönsten Sterne
und von der Erde jede höchste Lust, und alle Näh und alle Ferne
befriedigt nicht die tiefbewegte Brust.
Wenn er mir jetzt auch nur verworren dient, so werd ich ihn bald in die Klarheit führen.
Weiß doch der Gärtner, wenn das Bäumchen grünt, daß Blüt und Frucht die künftgen Jahre zieren.
Was wettet Ihr? den sollt Ihr noch verlieren! wenn Ihr mir die Erlaubnis gebt,
ihn meine Straße sacht zu führen.
Solang er auf der Erde lebt, solange sei dirs nicht verboten. Es irrt der Mensch, solang er strebt.
Nun gut, es sei dir überlassen! Zieh diesen Geist von seinem Urquell ab,
und führ ihn, kannst du ihn erfassen, auf deinem Wege mit herab,
und steh beschämt, wenn du bekennen mußt: ein guter Mensch, in seinem dunklen Drange,
ist sich des rechten Weges wohl bewußt.
Du darfst auch da nur frei erscheinen; ich habe deines|gleichen nie gehaßt.
Von allen Geistern, die verneinen, ist mir der Schalk am wenigsten zur Last.
Des Menschen Tätigkeit kann allzuleicht erschlaffen, er liebt sich bald die unbedingte Ruh;
drum geb ich gern ihm den Gesellen zu, der reizt und wirkt und muß als Teufel schaffen.
Von Zeit zu Zeit seh ich den Alten gern, und hüte mich, mit ihm zu brechen.
Es ist gar hübsch von einem großen Herrn, so menschlich mit dem Teufel selbst zu sprechen.

Habe nun, ach! Philosophie, Juristerei und Medizin, und leider auch Theologie
durchaus studiert, mit heißem Bemühn. Da steh ich nun, ich armer Tor! und bin so klug als wie zuvor;
heiße Magister, heiße Doktor gar, und ziehe schon an die zehen Jahr
herauf, herab und quer und krumm meine Schüler an der Nase herum,
und sehe, daß wir nichts wissen können! Das will mir schier das Herz verbrennen.
Zwar bin ich gescheiter als alle die Laffen, Doktoren, Magister, Schreiber und Pfaffen;
mich plagen keine Skrupel noch Zweifel, fürchte mich weder vor Hölle noch Teufel;
dafür ist mir auch alle Freud entrissen, bilde mir nicht ein, was Rechts zu wissen,
bilde mir nicht ein, ich könnte was lehren, die Menschen zu bessern und zu bekehren.
Auch hab ich weder Gut noch Geld, noch Ehr und Herrlichkeit der Welt;
es möchte kein Hund so länger leben! Drum hab ich mich der Magie ergeben,
ob mir durch Geistes Kraft und Mund nicht manch Geheimnis würde kund;
daß ich nicht mehr mit sauerm Schweiß zu sagen brauche, was ich nicht weiß;
daß ich erkenne, was die Welt im Innersten zusammenhält,
schau alle Wirkens|kraft und Samen, und tu nicht mehr in Worten kramen.
O sähst du, voller Mondenschein, zum letzten Mal auf meine Pein,
den ich so manche Mitternacht an diesem Pult herangewacht:
dann über Büchern und Papier, trübselger Freund, erschienst du mir!
Ach! könnt ich doch auf Berges|höhn in deinem lieben Lichte gehn,
um Berges|höhle mit Geistern schweben, auf Wiesen in deinem Dämmer weben,
von allem Wissens|qualm entladen, in deinem Tau gesund mich baden!
Weh! steck ich in dem Kerker noch? Verfluchtes dumpfes Mauerloch,
wo selbst das liebe Himmels|licht trüb durch gemalte Scheiben bricht!
Beschränkt mit diesem Bücherhauf, den Würme nagen, Staub bedeckt,
den bis ans hohe Gewölb hinauf ein angeraucht Papier umsteckt;
mit Gläsern, Büchsen rings umstellt, mit Instrumenten vollgepfropft,
Urväter Haus|rat drein gestopft: das ist deine Welt! das heißt eine Welt!
Und fragst du noch, warum dein Herz sich bang in deinem Busen klemmt?
Warum ein unerklärter Schmerz dir alle Lebens|regung hemmt?
Statt der lebendigen Natur, da Gott die Menschen schuf hinein,
umgibt in Rauch und Moder nur dich Tiergeripp und Totenbein.
Flieh! auf! hinaus ins weite Land! Und dies geheimnis|volle Buch,
von Nostradamus' eigner Hand, ist dir es nicht Geleit genug?
Erkennest dann der Sterne Lauf, und wenn Natur dich unterweist,
dann geht die Seelenkraft dir auf, wie spricht ein Geist zum andern Geist.
Umsonst, daß trocknes Sinnen hier die heilgen Zeichen dir erklärt:
ihr schwebt, ihr Geister, neben mir; antwortet mir, wenn ihr mich hört!
Ha! welche Wonne fließt in diesem Blick auf einmal mir durch alle meine Sinnen!
Ich fühle junges, heilges Lebens|glück neuglühend mir durch Nerv und Adern rinnen.
War es ein Gott, der diese Zeichen schrieb, die mir das innre Toben stillen,
das arme Herz mit Freude füllen, und mit geheimnis|vollem Trieb
die Kräfte der Natur rings um mich her enthüllen?
Bin ich ein Gott? Mir wird so licht! Ich schau in diesen reinen Zügen
die wirkende Natur vor meiner Seele liegen.
Jetzt erst erkenn ich, was der Weise spricht: die Geisterwelt ist nicht verschlossen;
dein Sinn ist zu, dein Herz ist tot! Auf, bade, Schüler, unverdrossen
die irdsche Brust im Morgenrot!
Wie alles sich zum Ganzen webt, eins in dem andern wirkt und lebt!
Wie Himmels|kräfte auf und nieder steigen und sich die goldnen Eimer reichen!
Mit segenduftenden Schwingen vom Himmel durch die Erde dringen,
harmonisch all das All durchklingen!
Welch Schauspiel! Aber ach! ein Schauspiel nur! Wo faß ich dich, unendliche Natur?
Euch Brüste, wo? Ihr Quellen alles Lebens, an denen Himmel und Erde hängt,
dahin die welke Brust sich drängt, ihr quellt, ihr tränkt, und schmacht ich so vergebens?
In Lebens|fluten, im Tatensturm wall ich auf und ab, webe hin und her!
Geburt und Grab, ein ewiges Meer, ein wechselnd Weben, ein glühend Leben:
so schaff ich am sausenden Webstuhl der Zeit und wirke der Gottheit lebendiges Kleid.

Vom Eise befreit sind Strom und Bäche durch des Frühlings holden, belebenden Blick;
im Tale grünet Hoffnungs|glück; der alte Winter, in seiner Schwäche,
zog sich in rauhe Berge zurück. Von dorther sendet er, fliehend, nur
ohnmächtige Schauer körnigen Eises in Streifen über die grünende Flur;
aber die Sonne duldet kein Weißes: überall regt sich Bildung und Streben,
alles will sie mit Farben beleben; doch an Blumen fehlts im Revier,
sie nimmt geputzte Menschen dafür. Kehre dich um, von diesen Höhen
nach der Stadt zurückzusehen. Aus dem hohlen, finstern Tor
dringt ein buntes Gewimmel hervor. Jeder sonnt sich heute so gern.
Sie feiern die Auferstehung des Herrn, denn sie sind selber auferstanden,
aus niedriger Häuser dumpfen Gemächern, aus Handwerks- und Gewerbes|banden,
aus dem Druck von Giebeln und Dächern, aus der Straßen quetschender Enge,
aus der Kirchen ehrwürdiger Nacht sind sie alle ans Licht gebracht.
Sieh nur, sieh! wie behend sich die Menge durch die Gärten und Felder zerschlägt,
wie der Fluß, in Breit und Länge, so manchen lustigen Nachen bewegt,
und bis zum Sinken überladen entfernt sich dieser letzte Kahn.
Selbst von des Berges fernen Pfaden blinken uns farbige Kleider an.
Ich höre schon des Dorfs Getümmel, hier ist des Volkes wahrer Himmel,
zufrieden jauchzet groß und klein: Hier bin ich Mensch, hier darf ichs sein!
Mit Euch, Herr Doktor, zu spazieren ist ehrenvoll und ist Gewinn;
doch würd ich nicht allein mich her verlieren, weil ich ein Feind von allem Rohen bin.
O glücklich, wer noch hoffen kann, aus diesem Meer des Irrtums aufzutauchen!
Was man nicht weiß, das eben brauchte man, und was man weiß, kann man nicht brauchen.
Doch laß uns dieser Stunde schönes Gut durch solchen Trübsinn nicht verkümmern!
Betrachte, wie in Abendsonneglut die grünumgebnen Hütten schimmern.
Sie rückt und weicht, der Tag ist überlebt, dort eilt sie hin und fördert neues Leben.
O daß kein Flügel mich vom Boden hebt, ihr nach und immer nach zu streben!
Du bist dir nur des einen Triebs bewußt; o lerne nie den andern kennen!
Zwei Seelen wohnen, ach! in meiner Brust, die eine will sich von der andern trennen;
die eine hält, in derber Liebes|lust, sich an die Welt mit klammernden Organen;
die andre hebt gewaltsam sich vom Dust zu den Gefilden hoher Ahnen.

Verlassen hab ich Feld und Auen, die eine tiefe Nacht bedeckt,
mit ahnungs|vollem, heilgem Grauen in uns die beßre Seele weckt.
Entschlafen sind nun wilde Triebe mit jedem ungestümen Tun;
es reget sich die Menschenliebe, die Liebe Gottes regt sich nun.
Ach, wenn in unsrer engen Zelle die Lampe freundlich wieder brennt,
dann wirds in unserm Busen helle, im Herzen, das sich selber kennt.
Vernunft fängt wieder an zu sprechen, und Hoffnung wieder an zu blühn;
man sehnt sich nach des Lebens Bächen, ach! nach des Lebens Quelle hin.
Geschrieben steht: Im Anfang war das Wort! Hier stock ich schon! Wer hilft mir weiter fort?
Ich kann das Wort so hoch unmöglich schätzen, ich muß es anders übersetzen,
wenn ich vom Geiste recht erleuchtet bin. Geschrieben steht: Im Anfang war der Sinn.
Bedenke wohl die erste Zeile, daß deine Feder sich nicht übereile!
Ist es der Sinn, der alles wirkt und schafft? Es sollte stehn: Im Anfang war die Kraft!
Doch, auch indem ich dieses niederschreibe, schon warnt mich was, daß ich dabei nicht bleibe.
Mir hilft der Geist! Auf einmal seh ich Rat und schreibe getrost: Im Anfang war die Tat!
Nun gut, wer bist du denn? Ein Teil von jener Kraft, die stets das Böse will und stets das Gute
schafft. Was ist mit diesem Rätselwort gemeint? Ich bin der Geist, der stets verneint!
Und das mit Recht; denn alles, was entsteht, ist wert, daß es zugrunde geht;
drum besser wärs, daß nichts entstünde. So ist denn alles, was ihr Sünde,
Zerstörung, kurz das Böse nennt, mein eigentliches Element.
Du nennst dich einen Teil, und stehst doch ganz vor mir? Bescheidne Wahrheit sprech ich dir.
Wenn sich der Mensch, die kleine Narrenwelt, gewöhnlich für ein Ganzes hält:
ich bin ein Teil des Teils, der anfangs alles war, ein Teil der Finsternis, die sich das Licht
gebar, das stolze Licht, das nun der Mutter Nacht den alten Rang, den Raum ihr streitig macht.
In jedem Kleide werd ich wohl die Pein des engen Erdelebens fühlen.
Ich bin zu alt, um nur zu spielen, zu jung, um ohne Wunsch zu sein.
Was kann die Welt mir wohl gewähren? Entbehren sollst du! sollst entbehren!
Das ist der ewige Gesang, der jedem an die Ohren klingt,
den, unser ganzes Leben lang, uns heiser jede Stunde singt.
Nur mit Entsetzen wach ich morgens auf, ich möchte bittre Tränen weinen,
den Tag zu sehn, der mir in seinem Lauf nicht einen Wunsch erfüllen wird, nicht einen.
Der Gott, der mir im Busen wohnt, kann tief mein Innerstes erregen;
der über allen meinen Kräften thront, er kann nach außen nichts bewegen;
und so ist mir das Dasein eine Last, der Tod erwünscht, das Leben mir verhaßt.
Werd ich beruhigt je mich auf ein Faulbett legen, so sei es gleich um mich getan!
Kannst du mich schmeichelnd je belügen, daß ich mir selbst gefallen mag,
kannst du mich mit Genuß betrügen: das sei für mich der letzte Tag! Die Wette biet ich! Topp!
Und Schlag auf Schlag! Werd ich zum Augenblicke sagen: Verweile doch! du bist so schön!
Dann magst du mich in Fesseln schlagen, dann will ich gern zugrunde gehn!
Dann mag die Totenglocke schallen, dann bist du deines Dienstes frei,
die Uhr mag stehn, der Zeiger fallen, es sei die Zeit für mich vorbei!
Grau, teurer Freund, ist alle Theorie, und grün des Lebens goldner Baum.

Es war ein König in Thule, gar treu bis an das Grab,
dem sterbend seine Buhle einen goldnen Becher gab.
Es ging ihm nichts darüber, er leert ihn jeden Schmaus;
die Augen gingen ihm über, so oft er trank daraus.
Und als er kam zu sterben, zählt er seine Städt im Reich,
gönnt alles seinem Erben, den Becher nicht zugleich.
Er saß beim Königs|mahle, die Ritter um ihn her,
auf hohem Vätersaale, dort auf dem Schloß am Meer.
Dort stand der alte Zecher, trank letzte Lebens|glut,
und warf den heilgen Becher hinunter in die Flut.
Er sah ihn stürzen, trinken und sinken tief ins Meer.
Die Augen täten ihm sinken; trank nie einen Tropfen mehr.

Meine Ruh ist hin, mein Herz ist schwer; ich finde sie nimmer und nimmermehr.
Wo ich ihn nicht hab, ist mir das Grab, die ganze Welt ist mir vergällt.
Mein armer Kopf ist mir verrückt, mein armer Sinn ist mir zerstückt.
Nach ihm nur schau ich zum Fenster hinaus, nach ihm nur geh ich aus dem Haus.
Sein hoher Gang, sein edle Gestalt, seines Mundes Lächeln, seiner Augen Gewalt,
und seiner Rede Zauberfluß, sein Händedruck, und ach! sein Kuß!
Mein Busen drängt sich nach ihm hin. Ach dürft ich fassen und halten ihn,
und küssen ihn, so wie ich wollt, an seinen Küssen vergehen sollt!
"""
"""The passages; `|` marks the end of a part of a compound after a round s."""

_LONG = re.compile(r"s(?=[^\W\d_])")


def with_long_s(text: str) -> str:
    """Write the long s where Fraktur has it, and drop the marks of compounds.

    Arguments:
        text: German text with round s only; `|` after an s keeps it round within a word.

    Returns:
        The text with ſ wherever a letter follows.
    """
    return _LONG.sub("ſ", text).replace("|", "")


def plain_text() -> str:
    """The passages with round s only, as for a roman type."""
    return FAUST.replace("|", "")


def demo_texts(width: int = 38, long_s: bool = True, least: int = 3) -> list[str]:
    """The text of every demo line.

    Arguments:
        width: Most characters in a line.
        long_s: Use the long s; only for a font that has it.
        least: A line with a character that the whole text has fewer times is left out: nobody
            can learn a letter from one example.

    Returns:
        The lines in order.
    """
    text = with_long_s(FAUST) if long_s else plain_text()
    counts = Counter(text)
    return [
        line for line in wrap_text(text, width) if all(counts[letter] >= least for letter in line)
    ]
