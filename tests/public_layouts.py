"""Rows made up in the official layouts of public data sets, by the name of the reader."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def parquet(**columns) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def npz(**arrays) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, **arrays)
    return out.getvalue()


TENREC = "user_id,item_id,click,follow,like,share,video_category,watching_times,gender,age\n"
FINN = {
    "userId": np.array([7, 5], np.int32),
    "click": np.array([[4, 1, 0], [9, 3, 0]], np.int32),
    "click_idx": np.array([[2, 0, 0], [0, 1, 0]]),
    "slate_lengths": np.array([[3, 2, 0], [2, 2, 0]]),
    "slate": np.array([[[1, 3, 4], [1, 5, 0], [0, 0, 0]], [[1, 3, 0], [1, 3, 4], [0, 0, 0]]], np.int32),
    "interaction_type": np.array([[1, 2, 0], [1, 2, 0]]),
}


LAYOUTS: dict[str, dict[str, str | bytes]] = {
    "rees46": {
        "2019-Oct.csv": "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        "2019-10-01 00:00:00 UTC,view,44600062,2103807459595,,shiseido,35.79,541312140,72d76fde-8bb3\n"
        "2019-10-01 00:00:10 UTC,cart,44600062,2103807459595,,shiseido,35.79,541312140,72d76fde-8bb3\n"
        "2019-10-01 00:00:20 UTC,remove_from_cart,44600062,2103807459595,,shiseido,35.79,541312140,72d76fde-8bb3\n"
        "2019-10-01 00:00:01 UTC,view,3900821,2053013552,appliances.environment,aqua,33.20,554748717,9333dfbd\n",
        "2019-Nov.csv": "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        "2019-11-01 00:00:00 UTC,purchase,3900821,2053013552,appliances.environment,aqua,30.00,554748717,abcd\n",
    },
    "taobao": {
        "UserBehavior.csv": "1,2268318,2520377,pv,1511544070\n1,2268318,2520377,cart,1511544080\n"
        "1,2333346,2520771,fav,1511561733\n100,2268318,2520377,buy,1512316799\n100,7,2520377,pv,1512316800\n"
        "100,7,2520377,pv,-1\n",
    },
    "hm": {
        "transactions_train.csv": "t_dat,customer_id,article_id,price,sales_channel_id\n"
        "2018-09-20,000058a12d5b43e6,0663713001,0.0508,2\n2018-09-20,000058a12d5b43e6,0663713001,0.0508,2\n"
        "2018-09-21,000058a12d5b43e6,0541518023,0.0305,2\n2018-09-20,00007d2de826758b,0505221004,0.0152,1\n",
        "articles.csv": "article_id,product_code,prod_name,product_type_name,product_group_name,detail_desc\n"
        '0663713001,0663713,Atlanta,Underwear body,Underwear,"Lace, soft."\n'
        "0541518023,0541518,Rae,Bra,Underwear,\n0505221004,0505221,Inca,Sweater,Garment Upper body,Jumper\n",
    },
    "microlens": {
        "MicroLens-100k_pairs.csv": "user,item,timestamp\n36121,9580,1662984066528\n36121,8121,1662984066600\n"
        "7,9580,1583378629552\n",
    },
    "mind": {
        "MINDsmall_train/behaviors.tsv": "1\tU13740\t11/11/2019 9:05:58 AM\tN55189 N42782\tN55689-1 N35729-0\n"
        "2\tU91836\t11/12/2019 6:11:30 PM\t\tN20678-0 N39317-0 N35729-1\n",
        "MINDsmall_train/news.tsv": "N55689\tsports\tfootball_nfl\tCharles \"Rogers\tA 'great\thttps://x\t[]\t[]\n"
        "N35729\tnews\tnewsus\tPorsche\t\thttps://y\t[]\t[]\nN20678\tnews\tnewsus\tT\tA\thttps://z\t[]\t[]\n",
        "MINDsmall_dev/behaviors.tsv": "1\tU13740\t11/15/2019 12:00:01 AM\tN55189\tN39317-1\n",
        "MINDsmall_dev/news.tsv": "N39317\tlifestyle\thome\tT\tA\thttps://w\t[]\t[]\n",
    },
    "trivago": {
        "train.csv": "user_id,session_id,timestamp,step,action_type,reference,platform,city,device,current_filters,"
        "impressions,prices\n"
        '00RL8Z,aff3928535f48,1541037460,1,search for poi,Newtown,AU,"Sydney, Australia",mobile,,,\n'
        '00RL8Z,aff3928535f48,1541037522,2,interaction item image,666856,AU,"Sydney, Australia",mobile,,,\n'
        '00RL8Z,aff3928535f48,1541037542,3,clickout item,109038,AU,"Sydney, Australia",mobile,,3400638|109038,95|66\n'
        '00RL8Z,aff3928535f48,1541037600,4,clickout item,777,AU,"Sydney, Australia",mobile,,3400638|109038,95|66\n'
        '01ABCD,bb0,1541037400,1,clickout item,666856,DE,"Berlin, Germany",desktop,Focus on Distance,666856,120\n',
        "item_metadata.csv": "item_id,properties\n5101,Satellite TV|Golf Course\n",
    },
    "yambda": {
        "flat/50m/multi_event.parquet": parquet(
            uid=pa.array([100, 100, 100, 100, 200], pa.uint32()),
            timestamp=pa.array([39420, 39420, 39625, 39630, 0], pa.uint32()),
            item_id=pa.array([8326270, 1441281, 8326270, 8326270, 286361], pa.uint32()),
            is_organic=pa.array([0, 0, 0, 0, 1], pa.uint8()),
            event_type=pa.array(["listen", "listen", "like", "unlike", "dislike"]).dictionary_encode(),
            played_ratio_pct=pa.array([100, 41, None, None, None], pa.uint16()),
            track_length_seconds=pa.array([170, 105, None, None, None], pa.uint32()),
        ),
    },
    "amazon_2023": {
        "All_Beauty.jsonl": '{"rating": 5.0, "title": "Lovely", "text": "Nice\\n", "images": [], "asin": "B00YQ6X8EO", '
        '"parent_asin": "B00YQ6X8EO", "user_id": "AGKH", "timestamp": 1588687728923, "helpful_vote": 0, '
        '"verified_purchase": true}\n'
        '{"rating": 3.0, "title": "Meh", "text": "", "images": [{"small_image_url": "x"}], "asin": "B081TJ8YS3", '
        '"parent_asin": "B081TJ8YS4", "user_id": "AGKH", "timestamp": 1588687729000, "helpful_vote": 1, '
        '"verified_purchase": false}\n',
        "meta_All_Beauty.jsonl": '{"main_category": "All Beauty", "title": "T", "average_rating": 4.8, "price": null, '
        '"features": [], "categories": [], "details": {"Brand": "Y"}, "parent_asin": "B00YQ6X8EO"}\n'
        '{"main_category": null, "title": "U", "average_rating": 4.5, "price": 9.99, "features": [], "categories": [], '
        '"details": {}, "parent_asin": "B081TJ8YS4"}\n',
    },
    "yelp": {
        "yelp_academic_dataset_review.json": '{"review_id":"KU_O","user_id":"mh_e","business_id":"XQfw","stars":3.0,'
        '"useful":0,"funny":0,"cool":0,"text":"If you","date":"2018-07-07 22:09:11"}\n'
        '{"review_id":"BiTu","user_id":"OyoG","business_id":"7ATY","stars":5.0,"useful":1,"funny":0,"cool":1,'
        '"text":"I\\u2019ve","date":"2012-01-03 15:28:18"}\n',
        "yelp_academic_dataset_business.json": '{"business_id":"XQfw","name":"Turning","city":"Wales","stars":3.0,'
        '"categories":"Restaurants, Breakfast & Brunch, Food"}\n'
        '{"business_id":"7ATY","name":"Body","city":"Phila","stars":5.0,"categories":null}\n',
    },
    "steam": {
        "steam_reviews.json": "{u'username': u'Chaos', u'hours': 0.1, u'products': 41, u'product_id': u'725280', "
        "u'page_order': 0, u'date': u'2017-12-17', u'text': u\"It's\", u'early_access': False, u'page': 1}\n"
        "{u'username': u'Ari', u'hours': 51.1, u'products': 769, u'product_id': u'328100', u'page_order': 0, "
        "u'date': u'2017-08-02', u'text': u'\\nRATING', u'early_access': True, u'page': 1, u'user_id': u'7656'}\n"
        "{u'username': u'Ari', u'hours': 51.1, u'products': 769, u'product_id': u'328100', u'page_order': 1, "
        "u'date': u'2017-08-02', u'text': u'\\nRATING', u'early_access': True, u'page': 2, u'user_id': u'7656'}\n",
    },
    "diginetica": {
        "train-item-views.csv": "sessionId;userId;itemId;timeframe;eventdate\n1;NA;81766;526309;2016-05-09\n"
        "1;NA;31331;1031018;2016-05-09\n2;7;32118;243569;2016-05-10\n3;7;9654;75848;2016-05-11\n",
        "train-purchases.csv": "sessionId;userId;timeframe;eventdate;ordernumber;itemId\n"
        "1;NA;1500000;2016-05-09;16421;31331\n",
        "product-categories.csv": "itemId;categoryId\n81766;1096\n31331;1192\n32118;1192\n",
    },
    "lfm2b": {
        "listening-events.tsv": "user_id\ttrack_id\talbum_id\ttimestamp\n1\t2533\t1471\t2013-08-07 14:10:35\n"
        "1\t2534\t1471\t2013-08-07 14:14:01\n7\t2533\t1471\t2005-02-14 00:00:03\n",
    },
    "tenrec": {
        "QK-video.csv": TENREC + "1,4,0,0,0,0,1,0,1,4\n1,1201,1,0,1,0,\\N,2,1,4\n1,4,0,0,0,0,1,0,1,4\n"
        "2,4,1,1,0,1,1,1,2,3\n",
    },
    "kuaisar": {
        "KuaiSAR/rec_inter.csv": "user_id,item_id,playing_time,duration_ms,time,timestamp,click,forward,like,follow,"
        "search,search_item_related\n1,10,60792.0,45400.0,2023-05-22 15:53:20,1684742000000.0,1,0,1,0,0,0\n"
        "1,11,900.0,12000.0,2023-05-22 15:54:20,1684742060000.0,0,0,0,0,1,1\n",
        "KuaiSAR/src_inter.csv": "user_id,search_session_id,item_id\n1,1,10\n",
        "KuaiSAR/item_features.csv": "item_id,caption,author_id,first_level_category_name,"
        "first_level_category_name_en\n"
        '10,"[1, 213, 24]",10,\u641e\u7b11,Funny\n11,[],0,\u7f8e\u98df,Food\n',
    },
    "contentwise": {
        "CW10M/interactions/part.0.parquet": parquet(
            utc_ts_milliseconds=[1546300800000, 1546300860000, 1546300700000, 1546300900000, 1546300950000],
            user_id=pa.array([1, 1, 2, 1, 2], pa.int32()),
            item_id=pa.array([101, 102, 103, 104, 105], pa.int32()),
            series_id=pa.array([11, 12, 13, 11, 99], pa.int32()),
            recommendation_id=pa.array([5, 5, -1, 6, 7], pa.int32()),
            interaction_type=pa.array([1, 0, 0, 3, 0], pa.int8()),
        ),
        "CW10M/impressions-direct-link/part.0.parquet": parquet(
            recommendation_id=pa.array([7, 6, 5], pa.int32()),
            row_position=pa.array([0, 1, 0], pa.int32()),
            recommendation_list_length=pa.array([1, 2, 3], pa.int32()),
            recommended_series_list=pa.array([[13], [11, 13], [12, 13, 11]], pa.list_(pa.int32())),
        ),
    },
    "finn": {
        "data.npz": npz(**FINN),
        "itemattr.npz": npz(category=np.array([0, 0, 0, 287, 12, 300])),
        "ind2val.json": '{"category": {"0": "<UNK>", "12": "BAP,Oslo", "287": "JOB,Rogaland"}, '
        '"interaction_type": {"1": "search"}}',
    },
    "recbole": {
        "ml-100k/ml-100k.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        "196\t242\t3\t881250949\n186\t302\t4\t891717742\n196\t302\t5\t881250950\n",
        "ml-100k/ml-100k.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        '242\tKolya "x\t1996\tComedy Drama\n302\tL.A. Confidential\t1997\tCrime Film-Noir\n',
    },
}
