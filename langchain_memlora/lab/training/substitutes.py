"""Names of people, places, days and months that can replace each other in a message without changing what it states.

None is also an English word: "Will" and "Rose" are left out, and so are "May" and "March".
"""

from __future__ import annotations

WOMEN = frozenset(
    "Adaeze Adriana Agata Agnes Aigerim Aiko Alejandra Alina Amara Amina Ana Anjali Anneliese Aoife Ayesha Beatriz "
    "Bernadette Camila Carmen Catarina Chiara Chioma Dagny Daniela Delphine Dina Ebru Efua Elena Eleni Elif Elisabeth "
    "Emma Esther Fatima Fiona Francesca Freya Gabriela Giulia Greta Gudrun Hanna Helena Hiroko Ilse Ines Ingrid Irina "
    "Isabel Ivana Jana Johanna Jolanta Julia Karolina Katarina Keiko Kirsten Laura Leila Lena Linh Lotte Lucia Magda "
    "Maria Marisol Marta Meera Mei Mireille Nadia Naledi Natalia Ngozi Nina Nkechi Olga Oksana Ottilie Paloma Paula Petra "
    "Philippa Pilar Priya Priyanka Rania Renata Rosalind Ruth Samira Sanna Saoirse Sara Sigrid Silvia Simone Siobhan "
    "Sofia Solveig Svetlana Tamsin Thandeka Theresa Ursula Valentina Vera Wanjiru Wilhelmina Xiomara Yasmin Yuki Yusra "
    "Zeynep Zuzana".split()
)
MEN = frozenset(
    "Abdul Ahmed Aleksander Alfonso Amir Andrei Anselm Anton Arjun Arturo Aurelio Bashir Benedikt Bilal Bogdan Boris Bram "
    "Carlos Casimir Cedric Claude Cormac Cyril Daniel David Declan Deepak Desmond Diego Dmitri Eduardo Eero Emeka Emil "
    "Emre Enrique Erik Farid Farouk Felix Fernando Filip Florian Francesco Gethin Giorgio Goran Gregor Gunnar Gustavo "
    "Hamid Hamish Haruto Hassan Hendrik Henrik Hiroshi Ibrahim Idris Igor Ivan Jakub Javier Jerome Joao Johan Jonas Jorge "
    "Karim Kenji Kofi Kwabena Kwame Lars Leopold Lorcan Lothar Luca Lukas Magnus Malik Marek Mateo Matteo Miguel Mikhail "
    "Mohammed Nikolai Nuno Obinna Olaf Omar Oskar Pablo Pavel Pedro Rafael Rajesh Ravi Ricardo Roland Ruben Ruairi Samuel "
    "Sanjay Sebastian Sergei Stefan Sven Tariq Teodor Thabo Thomas Tobias Tomasz Torvald Vikram Viktor Vincent Walter "
    "Wiktor Yusuf Zoltan".split()
)
CITIES = frozenset(
    "Aarhus Accra Almaty Antwerp Arequipa Bergen Bilbao Bologna Bordeaux Bratislava Brisbane Bristol Brno Bucharest "
    "Budapest Cardiff Cartagena Casablanca Chennai Coimbra Cusco Dakar Dresden Dublin Dundee Dunedin Durban Edinburgh "
    "Eindhoven Fukuoka Galway Gdynia Geneva Ghent Glasgow Graz Grenoble Haifa Halifax Hamburg Hanoi Helsinki Hobart "
    "Ibadan Innsbruck Istanbul Izmir Jakarta Kampala Kaunas Kigali Kumasi Lagos Lahore Leeds Leicester Leiden Leipzig "
    "Leuven Limerick Linz Lisbon Ljubljana Lusaka Lyon Madrid Malmö Manchester Maribor Marseille Medellín Melbourne Milan "
    "Mombasa Montevideo Montreal Nairobi Nantes Naples Nuremberg Oaxaca Olomouc Osaka Oslo Ostrava Oulu Palermo Perth "
    "Plovdiv Porto Prague Pune Quito Riga Rotterdam Salzburg Sapporo Seville Sheffield Sofia Stockholm Stuttgart Swansea "
    "Szeged Tallinn Tampere Tartu Tbilisi Tirana Toronto Toulouse Trieste Turin Turku Uppsala Utrecht Valencia Valletta "
    "Vancouver Vienna Vilnius Warsaw Windhoek Winnipeg Zagreb Zaragoza Zurich".split()
) - {"Sofia"}
DAYS = frozenset("Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split())
MONTHS = frozenset("January February April June July August September October November December".split())
KINDS = (WOMEN, MEN, CITIES, DAYS, MONTHS)
"""Sets of words that can replace each other; no word is in two of them."""
